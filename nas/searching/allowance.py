"""What a candidate may take: seconds and memory, watched while it is evaluated.

A candidate beyond its allowance is interrupted where Python can be, and recorded as failed. One
that hangs where it cannot be takes its process with it, which the executor replaces.
"""

from __future__ import annotations

import faulthandler
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials
from nas.errors import UserError
from nas.searching import interrupts
from nas.searching.repeats import REPEATS
from nas.searching.sections import CandidateSettings

# An automatic limit is so many times the median of the candidates so far, and never below a floor,
# as a machine can be busy with other things.
_GENEROUS = 10
_FLOOR = 600.0
_KNOWN = 3
# Candidates of which the median is taken; more would tell no more.
_LATEST = 100
# Seconds for the first candidates, of which nothing is known.
_DAY = 24 * 3600.0
_ROUND = 0.25
_MEMORY = Path("/proc/self/statm")


class Allowance:
    """The seconds and the memory that candidates of a search may take.

    Args:
        settings: Of the search.

    Raises:
        UserError: If memory is limited on a system that does not tell what a process needs.
    """

    def __init__(self, settings: CandidateSettings) -> None:
        if settings.memory is not None and not _MEMORY.exists():
            raise UserError("candidate.memory works on Linux alone; leave it out.")
        self._settings = settings
        self._watch = FinishedTrials()
        self._seconds: list[float] = []

    def seconds(self, trials: Sequence[FrozenTrial]) -> float | None:
        """Seconds that the next candidate may take, or None for any number.

        Args:
            trials: All trials of the study.
        """
        if self._settings.seconds != "auto":
            return self._settings.seconds
        for trial in self._watch.look(trials).finished:
            if trial.state == TrialState.COMPLETE and REPEATS not in trial.user_attrs:
                self._seconds.append(float(trial.user_attrs["seconds"].get("total", 0.0)))
        if len(self._seconds) < _KNOWN:
            return _DAY
        return max(_FLOOR, _GENEROUS * statistics.median(self._seconds[-_LATEST:]))

    @contextmanager
    def watching(self, trials: Sequence[FrozenTrial]) -> Iterator[None]:
        """Interrupts what runs in the block once it takes more than is allowed.

        Args:
            trials: All trials of the study.

        Raises:
            OverrunError: Then, with the reason.
        """
        seconds, memory = self.seconds(trials), self._settings.memory
        if seconds is None and memory is None:
            yield
            return
        ended = threading.Event()
        watch = threading.Thread(target=_watch, args=(ended, seconds, memory), daemon=True)
        with interrupts.overrunning() as possible:
            if not possible:
                # In a thread of somebody's program, which is not ours to end.
                yield
                return
            watch.start()
            _arm(seconds)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
                ended.set()
                watch.join()


def _watch(ended: threading.Event, seconds: float | None, memory: int | None) -> None:
    started = time.monotonic()
    # Told again and again: a candidate may swallow exceptions.
    while not ended.wait(_ROUND):
        if seconds is not None and time.monotonic() - started > seconds:
            interrupts.overrun(f"it took longer than {seconds:g} s")
        elif memory is not None and _needed() > memory:
            interrupts.overrun(f"it needed more than {memory / 2**20:.0f} MiB of memory")


def _arm(seconds: float | None) -> None:
    """Ends the process where no thread of Python can run any more."""
    if seconds is not None and sys.__stderr__ is not None:
        late = 1.5 * seconds + 60
        faulthandler.dump_traceback_later(late, exit=True, file=sys.__stderr__)


def _needed() -> int:
    """Resident memory of this process in bytes, without the files that it has mapped.

    Those of large data sets may be larger than the memory: the system takes their pages back.
    """
    _, resident, of_files, *_ = map(int, _MEMORY.read_text().split())
    return (resident - of_files) * os.sysconf("SC_PAGE_SIZE")
