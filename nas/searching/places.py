"""Places: how any number of workers complete exactly the number of trials asked for.

Every trial that is running or complete is *live*. With N trials asked for, a trial has a place if
fewer than N live trials have a smaller number. The storage numbers trials one at a time, and a
failed trial never comes back, so the number of live trials before a given one only decreases: a
trial that has a place keeps it, and never more than N trials have one. No lock is held while a
candidate trains. A killed worker leaves nothing but a running trial behind, whose place is free
again as soon as that trial is marked as failed.
"""

from __future__ import annotations

import functools
import math
import os
import socket
import time
import warnings
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import KILLER, LOST, failure_of
from nas.controllers.finished import FinishedTrials
from nas.searching import ends

LIVE = (TrialState.RUNNING, TrialState.COMPLETE)
_PROC = Path("/proc")


def has_place(trials: Sequence[FrozenTrial], number: int, asked: int) -> bool:
    """True if the trial `number` is among the first `asked` live trials."""
    return sum(trial.number < number and trial.state in LIVE for trial in trials) < asked


def trials_asked(study: optuna.Study) -> int:
    """Number of complete trials asked for; it may be raised while workers run."""
    # Several times in every trial: `user_attrs` would copy all of them.
    return int(study._storage.get_study_user_attrs(study._study_id)["trials"])


def completed(trials: Sequence[FrozenTrial]) -> int:
    """Number of complete trials."""
    return sum(trial.state == TrialState.COMPLETE for trial in trials)


@dataclass(frozen=True)
class WorkerIdentity:
    """One worker process.

    Args:
        host: Name of the machine, for people.
        machine: Identifies one boot of one machine (or container); empty where the system does
            not provide it.
        pid: Process id.
        started: Start of the process in clock ticks since boot, as process ids are reused; -1
            where the system does not provide it.
        index: Number of the worker within its executor.
    """

    host: str
    machine: str
    pid: int
    started: int
    index: int

    @classmethod
    def of_this_process(cls, index: int) -> WorkerIdentity:
        """The identity to record with the trials of this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, _start_of(pid), index)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> WorkerIdentity:
        """Reads what `to_record` returned."""
        return cls(**record)

    def to_record(self) -> dict[str, Any]:
        """The identity as a JSON object."""
        return asdict(self)

    def is_known_dead(self) -> bool:
        """True if the process ran on this machine and is gone; False if it is or may be alive."""
        return self._is_here() and _start_of(self.pid) != self.started

    def is_known_alive(self) -> bool:
        """True if the process runs on this machine."""
        return self._is_here() and _start_of(self.pid) == self.started

    def _is_here(self) -> bool:
        return bool(self.machine) and self.started >= 0 and self.machine == _machine()


class Heartbeats(Protocol):
    """A storage that records heartbeats."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Records that the worker of a trial is alive."""


class Places:
    """The places of a study, as one process sees them.

    Reading the study takes no longer when thousands of its trials are complete.

    Args:
        study: The study.
        storage: Its storage.
        grace: Seconds after which a running trial that was never claimed is given up as lost: its
            worker died before its first heartbeat. A claimed trial is known to be alive by its
            process on this machine, and by its heartbeat on any other.
        poll: Seconds between two reads of the storage while waiting.
        yielding: Seconds for which the death of another worker of this machine is left to its
            executor, which knows what killed it.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: Heartbeats,
        grace: float,
        poll: float = 0.5,
        yielding: float = 0.0,
    ) -> None:
        if grace <= 0 or poll <= 0:
            raise ValueError(f"grace and poll must be above 0, not {grace} and {poll}")
        self._yielding = yielding
        self._study = study
        self._storage = storage
        self._grace = grace
        self._poll = poll
        self._unclaimed_since: dict[int, float] = {}
        self._dead_since: dict[int, float] = {}
        # Networks whose process died while they were trained, and workers whose trial was given
        # up while they were alive.
        self._deadly: set[str] = set()
        self._given_up: set[WorkerIdentity] = set()
        # Trials asked for, as read at some time, when so many were complete.
        self._asked: int | None = None
        self._asked_at, self._complete_then = 0.0, 0
        self._watch = FinishedTrials()
        self._complete: list[int] = []
        self._running: list[FrozenTrial] = []

    def wait(self, should_stop: Callable[[Sequence[FrozenTrial]], bool]) -> bool:
        """Waits until a place is free, or until there will never be one.

        Args:
            should_stop: Called with the trials at every poll; True ends the wait. It may raise.

        Returns:
            True if a place is free, False if the trials asked for are complete or `should_stop`
            returned True. Another worker may take the place first; `claim` decides.
        """
        while True:
            trials = self._without_lost()
            asked = self._asked_for()
            if len(self._complete) >= asked or should_stop(trials):
                return False
            if len(self._complete) + len(self._running) < asked:
                return True
            self._fail_silent()
            time.sleep(self._poll)

    def _asked_for(self) -> int:
        """Trials asked for; while there are places, others may change it unseen for one poll.

        A sweep asks for fewer where a point fails, so that it is read after a trial that is not
        complete.
        """
        now, complete = time.monotonic(), len(self._complete)
        places = (self._asked or 0) - complete - len(self._running)
        if places <= 0 or complete == self._complete_then or now - self._asked_at > self._poll:
            self._asked, self._asked_at = trials_asked(self._study), now
        self._complete_then = complete
        assert self._asked is not None
        return self._asked

    def claim(self, trial: optuna.Trial, origin: Mapping[str, Any]) -> bool:
        """Makes sure that the death of a trial's worker is noticed, and tries to take a place.

        Args:
            trial: A trial that this process has just started.
            origin: See `nas.searching.trial.origin_of`; "worker" is the record of a
                `WorkerIdentity`.

        Returns:
            True if the trial has a place.
        """
        known = trial.user_attrs
        if "origin" not in known:
            # It was enqueued from outside.
            trial.set_user_attr("origin", dict(origin))
        if "claimed" not in known:
            # In this order: a claimed trial has a heartbeat, so the death of its worker is noticed.
            self._storage.record_heartbeat(trial._trial_id)
            trial.set_user_attr("claimed", True)
        asked = trials_asked(self._study) if self._asked is None else self._asked
        if trial.number < asked:
            # There are fewer trials before it than places.
            return True
        self._look()
        places_left = asked - bisect_left(self._complete, trial.number)
        return has_place(self._running, trial.number, places_left)

    def release_lost(self, cause: str | None = None) -> None:
        """Marks running trials of dead workers as failed, which frees their places.

        Args:
            cause: What ended workers of this machine of whose end `nas.searching.ends` knows
                nothing, for an executor that does not know the processes of its workers.
        """
        self._fail_silent()
        self._without_lost(cause)

    def _fail_silent(self) -> None:
        # Optuna does this before every trial, but a waiting worker starts none.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(self._study)

    def _without_lost(self, cause: str | None = None) -> list[FrozenTrial]:
        """All trials, once those of dead workers on this machine are marked as failed."""
        trials = self._look()
        self._unclaimed_since = {
            trial.number: self._unclaimed_since.get(trial.number, time.monotonic())
            for trial in self._running
            if "claimed" not in trial.user_attrs
        }
        lost = [trial for trial in self._running if self._is_lost(trial)]
        for trial in lost:
            self._fail(trial, cause)
        return self._look() if lost else trials

    def _look(self) -> list[FrozenTrial]:
        """All trials; remembers which are live."""
        trials = self._study.get_trials(deepcopy=False)
        look = self._watch.look(trials)
        for trial in look.finished:
            if trial.state == TrialState.COMPLETE:
                insort(self._complete, trial.number)
            elif failure_of(trial) == LOST:
                self._given_up |= _worker_of(trial)
            elif (failure_of(trial) or "").startswith(f"{LOST}:"):
                self._deadly |= _network_of(trial)
        self._running = [t for t in look.unfinished if t.state == TrialState.RUNNING]
        return trials

    def given_up(self) -> set[int]:
        """Ids of processes of this machine whose trial was given up for want of heartbeats."""
        self._given_up = {worker for worker in self._given_up if worker.is_known_alive()}
        return {worker.pid for worker in self._given_up}

    def _is_lost(self, trial: FrozenTrial) -> bool:
        now = time.monotonic()
        if any(worker.is_known_dead() for worker in _worker_of(trial)):
            return now - self._dead_since.setdefault(trial.number, now) >= self._yielding
        # By the clock of this process, as those of other machines may differ.
        since = self._unclaimed_since.get(trial.number, math.inf)
        return now - since > self._grace

    def _fail(self, trial: FrozenTrial, cause: str | None) -> None:
        here = [worker for worker in _worker_of(trial) if worker.is_known_dead()]
        cause = ends.known_cause(here[0].pid) or cause if here else None
        try:
            if cause is not None and _network_of(trial):
                again = _network_of(trial) <= self._deadly
                reason = f"{KILLER}: {cause}, twice" if again else f"{LOST}: {cause}"
                self._study._storage.set_trial_user_attr(trial._trial_id, "failure", reason)
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        except UpdateFinishedTrialError:
            # Another worker noticed at the same time.
            return


def _worker_of(trial: FrozenTrial) -> set[WorkerIdentity]:
    """The worker of a trial, where it is known."""
    origin = trial.user_attrs.get("origin")
    return set() if origin is None else {WorkerIdentity.from_record(origin["worker"])}


def _network_of(trial: FrozenTrial) -> set[str]:
    """Key of the network of a trial, where one was drawn."""
    known = trial.user_attrs
    return {str(known["canonical_key"])} if "canonical_key" in known else set()


@functools.cache
def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def is_suspended(pid: int) -> bool:
    """Whether a process is stopped by a signal, as far as the system tells."""
    return _status(pid)[0] == "T"


def _start_of(pid: int) -> int:
    """Start of a live process in clock ticks since boot, or -1 if there is none."""
    state, started = _status(pid)
    return -1 if state in "ZX" else started


def _status(pid: int) -> tuple[str, int]:
    """State of a process and its start in clock ticks since boot; X and -1 if there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return "X", -1
    # The second field, the name in parentheses, may itself contain spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])
