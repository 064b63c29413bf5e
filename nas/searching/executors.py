"""What starts the workers of a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import optuna

from nas.searching.assembly import Assembly
from nas.searching.places import Places
from nas.searching.run_folder import RunFolder
from nas.searching.worker import run_worker


class Executor(Protocol):
    """Starts workers and returns when they have ended."""

    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        """Works on a study.

        Args:
            run: The run folder; its study exists.
            study: The study, opened by the caller.
            places: Its places, as the caller sees them.
            look: Called every now and then, so that progress can be shown.

        Raises:
            SearchError: If the workers cannot complete the number of trials asked for.
            UserError: If a worker found the configuration wrong.
            KeyboardInterrupt: After every worker has ended, if the search was interrupted.
        """


class InProcess:
    """One worker in the calling process.

    Args:
        assembly: What builds the space, the controller and the evaluator.
    """

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly

    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        """See `Executor.run`; `look` is called after every trial."""
        look(study)
        run_worker(run, 0, self._assembly, after_trial=look)
