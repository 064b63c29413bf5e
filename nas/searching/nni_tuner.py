"""What NNI asks for a trial: a worker for as long as there is something to do.

NNI loads this module in a process of its own, which need not import more of the search.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import nni
import psutil
from nni.tuner import Tuner

from nas.searching.ends import ExitCode, Word

_ROUND = 1.0
_NOTHING_LEFT = (ExitCode.DONE, ExitCode.WRONG_USE, ExitCode.STOPPED)


class Workers(Tuner):
    """Numbers workers, and ends the experiment when the search that started it is gone.

    NNI replaces every trial that ends, so that a worker that dies is replaced too, until one has
    said that nothing is left to do.

    Args:
        words: Folder in which workers leave their last words.
        parent: Id of the process that runs the search.
    """

    def __init__(self, words: str, parent: int) -> None:
        self._words = Path(words)
        self._numbers: dict[int, int] = {}
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()

    def generate_parameters(self, parameter_id: int, **_: Any) -> dict[str, int]:
        """The number of a new worker.

        Raises:
            nni.NoMoreTrialError: If a worker has found that there is nothing left to do.
        """
        words = [_read(file) for file in self._words.iterdir()]
        if any(word is not None and word.code in _NOTHING_LEFT for word in words):
            raise nni.NoMoreTrialError
        free = set(range(len(self._numbers) + 1)) - set(self._numbers.values())
        self._numbers[parameter_id] = min(free)
        return {"worker": min(free)}

    def receive_trial_result(
        self, parameter_id: int, parameters: Any, value: Any, **_: Any
    ) -> None:
        """Does nothing: the worker has told the study."""

    def trial_end(self, parameter_id: int, success: bool, **_: Any) -> None:
        """Frees the number of a worker."""
        self._numbers.pop(parameter_id, None)

    def update_search_space(self, search_space: Any) -> None:
        """Does nothing: the controller of the search draws candidates."""


def _read(file: Path) -> Word | None:
    with file.open("rb") as opened:
        return Word.read(opened.fileno())


def _end_with(parent: int) -> None:
    while psutil.pid_exists(parent):
        time.sleep(_ROUND)
    # NNI's server does not notice that the program that started it is gone.
    os.kill(os.getppid(), signal.SIGTERM)
