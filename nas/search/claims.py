"""Places: how any number of workers finish exactly the number of trials asked for.

Every trial that is running or complete is *live*. A trial has a place if fewer than the number
asked for of the trials with a smaller number are live. The storage gives out numbers one at a
time, and a trial that has failed never comes back, so the live trials before a given one only
become fewer: a trial that has a place keeps it, and never more trials than asked for have one.
No lock is held while a candidate trains, and a killed worker leaves only a running trial behind,
whose place is free again as soon as it is failed.
"""

from __future__ import annotations

import math
import time
import warnings
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials
from nas.search.identity import WorkerIdentity

LIVE = (TrialState.RUNNING, TrialState.COMPLETE)


def has_place(trials: Sequence[FrozenTrial], number: int, asked: int) -> bool:
    """True if the trial `number` is among the first `asked` live trials."""
    return sum(trial.number < number and trial.state in LIVE for trial in trials) < asked


def trials_asked(study: optuna.Study) -> int:
    """Number of complete trials asked for; it may be raised while workers run."""
    return int(study.user_attrs["trials"])


def completed(trials: Sequence[FrozenTrial]) -> int:
    """Number of complete trials."""
    return sum(trial.state == TrialState.COMPLETE for trial in trials)


class Heartbeats(Protocol):
    """A storage that keeps signs of life."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Says that the worker of a trial is alive."""


class Places:
    """The places of a study, as one process sees them.

    A look at the study costs no more when thousands of its trials are complete.

    Args:
        study: The study.
        storage: Its storage.
        grace: Seconds after which a running trial that was not claimed is given up: its worker
            died before its first heartbeat. Whether a claimed one is alive is told by its
            process on this machine, and by its heartbeat everywhere.
        poll: Seconds between two looks at the storage while waiting.
    """

    def __init__(
        self, study: optuna.Study, storage: Heartbeats, grace: float, poll: float = 0.5
    ) -> None:
        if grace <= 0 or poll <= 0:
            raise ValueError(f"grace and poll must be above 0, not {grace} and {poll}")
        self._study = study
        self._storage = storage
        self._grace = grace
        self._poll = poll
        self._unclaimed_since: dict[int, float] = {}
        self._watch = FinishedTrials()
        self._complete: list[int] = []
        self._running: list[FrozenTrial] = []

    def wait(self, should_stop: Callable[[Sequence[FrozenTrial]], bool]) -> bool:
        """Waits until a place is free or none will be.

        Args:
            should_stop: Given the trials at every look; True ends the wait. It may raise.

        Returns:
            True if a place was free, False if the trials asked for are complete or `should_stop`
            said so. Another worker may take the place first; `has_place` decides.
        """
        while True:
            trials = self._without_lost()
            asked = trials_asked(self._study)
            if len(self._complete) >= asked or should_stop(trials):
                return False
            if len(self._complete) + len(self._running) < asked:
                return True
            self._fail_silent()
            time.sleep(self._poll)

    def claim(self, trial: optuna.Trial, origin: Mapping[str, Any]) -> bool:
        """Makes sure that the death of a trial's worker is noticed, and looks for a place.

        Args:
            trial: A trial of this process that has just begun.
            origin: Who works on it; "worker" is the record of a `WorkerIdentity`.

        Returns:
            True if the trial has a place.
        """
        if "origin" not in trial.user_attrs:
            # Somebody put it into Optuna's queue.
            trial.set_user_attr("origin", dict(origin))
        # In this order: a claimed trial has a heartbeat, so its death will be noticed.
        self._storage.record_heartbeat(trial._trial_id)
        trial.set_user_attr("claimed", True)
        self._look()
        complete_before = bisect_left(self._complete, trial.number)
        places_left = trials_asked(self._study) - complete_before
        return has_place(self._running, trial.number, places_left)

    def release_lost(self) -> None:
        """Fails the running trials whose workers are gone, so that their places are free."""
        self._fail_silent()
        self._without_lost()

    def _fail_silent(self) -> None:
        # Optuna does the same before every trial; a worker that waits starts none.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(self._study)

    def _without_lost(self) -> list[FrozenTrial]:
        """All trials, after those of dead workers of this machine were failed."""
        trials = self._look()
        self._unclaimed_since = {
            trial.number: self._unclaimed_since.get(trial.number, time.monotonic())
            for trial in self._running
            if "claimed" not in trial.user_attrs
        }
        lost = [trial for trial in self._running if self._is_lost(trial)]
        for trial in lost:
            self._fail(trial)
        return self._look() if lost else trials

    def _look(self) -> list[FrozenTrial]:
        """All trials; keeps which are live."""
        trials = self._study.get_trials(deepcopy=False)
        look = self._watch.look(trials)
        for trial in look.finished:
            if trial.state == TrialState.COMPLETE:
                insort(self._complete, trial.number)
        self._running = [t for t in look.unfinished if t.state == TrialState.RUNNING]
        return trials

    def _is_lost(self, trial: FrozenTrial) -> bool:
        origin = trial.user_attrs.get("origin")
        if origin is not None and WorkerIdentity.from_record(origin["worker"]).is_known_dead():
            return True
        # By our own clock, as those of other machines may differ.
        since = self._unclaimed_since.get(trial.number, math.inf)
        return time.monotonic() - since > self._grace

    def _fail(self, trial: FrozenTrial) -> None:
        try:
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        except UpdateFinishedTrialError:
            # Another worker noticed it at the same time.
            return
