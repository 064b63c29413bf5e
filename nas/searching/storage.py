"""A study in a database, written in few statements; see `nas.searching.databases` to open one."""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from nas.searching.outages import Outages, is_outage
from nas.searching.study_reads import (
    beats,
    count_trials,
    read_trial,
    read_trials,
    study_attributes,
)
from nas.searching.study_writes import (
    Writes,
    beat,
    create_running_trial,
    set_state,
    state_of,
    write,
)

READING = "nas_reading"
"""Option of a connection that writes nothing, and so takes no turn."""

T = TypeVar("T")


class TrialStorage(RDBStorage):
    """A database that is waited for where it is away, and that takes few statements per trial.

    A trial is created together with the identity and the heartbeat of its worker: otherwise a
    worker that dies between these leaves a trial that nobody knows to be lost. The parameters of a
    candidate are written at once within `together`, its record in the transaction that ends it.

    Workers whose heartbeat does not change are given up by how long this process has watched that,
    so that clocks which differ or move do not matter.

    Args:
        url: See `optuna.storages.RDBStorage`.
        outages: Waits for the database; None raises its errors.
        options: Options of Optuna's storage.

    Attributes:
        origin: Recorded with every new trial; None records nothing.
        is_as_seen: True in a block of `as_seen`.
    """

    def __init__(self, url: str, outages: Outages | None = None, **options: Any) -> None:
        self._outages = outages
        self.origin: Mapping[str, Any] | None = None
        self.is_as_seen = False
        self._waiting: dict[int, Writes] | None = None
        # What is written with the end of a trial.
        self._last: dict[int, Writes] = {}
        # The trial that this process runs: nobody else writes to it but its end.
        self._own: FrozenTrial | None = None
        # It was created with its first heartbeat.
        self._fresh: int | None = None
        self._silence: dict[int, tuple[Any, float]] = {}
        self._watched = -math.inf
        super().__init__(url, **options)
        # Single statements, which need no transaction around them.
        reading: dict[str, Any] = {READING: True}
        if self.engine.name != "sqlite":
            reading["isolation_level"] = "AUTOCOMMIT"
            # A server is sent one statement instead of one for each row.
            self.engine.dialect.use_insertmanyvalues_wo_returning = True
        self._reading = self.engine.execution_options(**reading)

    @contextmanager
    def together(self, *, with_end: bool = False) -> Iterator[None]:
        """Collects what the block writes to trials, and writes it in one transaction at its end.

        If the block raises, none of it is written. Only one thread at a time may do this.

        Args:
            with_end: Whether it is written later, in the transaction that ends the trial.

        Raises:
            UpdateFinishedTrialError: If another worker has finished the trial.
            StorageInternalError: If the database refuses.
        """
        self._waiting = {}
        try:
            yield
            writes = self._waiting
        finally:
            self._waiting = None
        if with_end:
            self._last = writes
        elif writes:
            self._write(writes)

    @contextmanager
    def as_seen(self) -> Iterator[None]:
        """Within the block, trials are what this process knows: they are not read again."""
        self.is_as_seen = True
        try:
            yield
        finally:
            self.is_as_seen = False

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        if template_trial is not None or self.origin is None:
            create = RDBStorage._create_new_trial
            return self._waited(lambda again: create(self, study_id, template_trial))
        attributes = {"origin": dict(self.origin), "claimed": True}
        self._own = self._changed(
            lambda connection, again: create_running_trial(connection, study_id, attributes)
        )
        self._fresh = self._own._trial_id
        return self._own

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._soon(trial_id, Writes(user={key: value}))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._soon(trial_id, Writes(system={key: value}))

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        # This is what the cache in front of the database calls.
        if previous_distribution is not None:
            check_distribution_compatibility(previous_distribution, distribution)
        param = (param_value_internal, distribution)
        writes = Writes(params={param_name: param})
        if previous_distribution is None:
            writes.unchecked.add(param_name)
        self._soon(trial_id, writes)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        writes = self._last.pop(trial_id, None)
        own = self._known(trial_id)

        def operation(connection: Connection, again: bool) -> bool:
            if again and state_of(connection, trial_id) == state:
                # It was written when the connection broke.
                return True
            return set_state(connection, trial_id, state, values, writes, own)

        if own is not None:
            self._own = None
        return self._changed(operation)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        own = self._known(trial_id)
        if own is not None:
            found = copy.copy(own)
            found.params, found.distributions = dict(own.params), dict(own.distributions)
            found.user_attrs, found.system_attrs = dict(own.user_attrs), dict(own.system_attrs)
            return found
        read = self._seen(lambda connection: read_trial(connection, trial_id))
        if read is None:
            raise KeyError(f"No trial with trial_id {trial_id}.")
        return read

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._seen(lambda connection: study_attributes(connection, study_id))

    def count_trials(self, study_id: int) -> int:
        """Number of trials of a study, in any state."""
        return self._seen(lambda connection: count_trials(connection, study_id))

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        found = self._seen(
            lambda connection: read_trials(
                connection, study_id, included_trial_ids, trial_id_greater_than, self._own
            )
        )
        return [trial for trial in found if states is None or trial.state in states]

    def record_heartbeat(self, trial_id: int) -> None:
        fresh, self._fresh = self._fresh, None
        if fresh == trial_id:
            return
        try:
            with self.engine.begin() as connection:
                beat(connection, trial_id)
        except SQLAlchemyError as error:
            # The next one will do: nobody gives a worker up for want of a single one.
            if not is_outage(error):
                raise

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        return self.silent_trials(study_id)

    def silent_trials(self, study_id: int, first: int = 0) -> list[int]:
        """Ids of running trials whose heartbeat has not changed for too long.

        Args:
            study_id: Id of the study.
            first: Id before which all trials are known to be finished.
        """
        assert self.heartbeat_interval is not None and self.grace_period is not None
        if time.monotonic() - self._watched < self.heartbeat_interval / 2:
            # Asked for before every trial, and the next time will do.
            return []
        found = self._seen(lambda connection: beats(connection, study_id, first))
        now = time.monotonic()
        # What was not watched, as this process was stopped or the database away, does not count.
        watched = min(now - self._watched, float(self.heartbeat_interval))
        self._watched = now
        silence = {}
        for trial, last in found.items():
            known, silent = self._silence.get(trial, (None, 0.0))
            silence[trial] = (last, silent + watched if known == last else 0.0)
        self._silence = silence
        grace = self.grace_period
        return [trial for trial, (_, silent) in self._silence.items() if silent > grace]

    def _soon(self, trial_id: int, writes: Writes) -> None:
        if self._waiting is None:
            self._write({trial_id: writes})
        else:
            self._waiting.setdefault(trial_id, Writes()).add(writes)

    def _write(self, writes: Mapping[int, Writes]) -> None:
        def operation(connection: Connection, again: bool) -> None:
            for trial_id, own in writes.items():
                # What was tried before may have been written.
                known = None if again else self._known(trial_id)
                write(connection, trial_id, own, known)

        self._changed(operation)
        for trial_id, own in writes.items():
            if (known := self._known(trial_id)) is not None:
                own.apply(known)

    def _known(self, trial_id: int) -> FrozenTrial | None:
        """The trial of this id, if it is the one that this process runs."""
        own = self._own
        return own if own is not None and own._trial_id == trial_id else None

    def _changed(self, operation: Callable[[Connection, bool], T]) -> T:
        """Does something in a transaction, and is told whether it was tried before."""

        def attempt(again: bool) -> T:
            with self.engine.begin() as connection:
                return operation(connection, again)

        return self._waited(attempt)

    def _seen(self, operation: Callable[[Connection], T]) -> T:
        """Reads something."""

        def attempt(again: bool) -> T:
            with self._reading.connect() as connection:
                return operation(connection)

        return self._waited(attempt)

    def _waited(self, operation: Callable[[bool], T]) -> T:
        return operation(False) if self._outages is None else self._outages.wait_out(operation)


def _patient(name: str) -> Callable[..., Any]:
    """A method of Optuna's storage that waits for the database."""
    method = getattr(RDBStorage, name)

    @functools.wraps(method)
    def patient(self: TrialStorage, *args: Any, **options: Any) -> Any:
        return self._waited(lambda again: method(self, *args, **options))

    return patient


# What is seldom done is left to Optuna.
for _name in (
    *("create_new_study", "set_study_user_attr", "set_study_system_attr"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_study_directions"),
    *("get_study_system_attrs", "get_all_studies", "set_trial_intermediate_value"),
    *("get_trial_id_from_study_id_trial_number", "_get_best_trial_id"),
):
    setattr(TrialStorage, _name, _patient(_name))


_WAITING = (TrialState.WAITING,)


class TrialCache(_CachedStorage):
    """Optuna's cache of finished trials, in which a read goes through what has changed alone.

    A study is read several times in every trial, and Optuna sorts all of its trials each time.

    Args:
        backend: Where they are kept.
    """

    _backend: TrialStorage

    def __init__(self, backend: TrialStorage) -> None:
        super().__init__(backend)
        self._lists: dict[int, list[FrozenTrial]] = {}
        self._changed: dict[int, dict[int, FrozenTrial]] = {}
        # Whether the trials were read since waiting ones were asked for.
        self._looked = False

    def count_trials(self, study_id: int) -> int:
        """Number of trials of a study, in any state."""
        return self._backend.count_trials(study_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """All trials of a study, or those in some states, in the order of their numbers.

        Without a copy and without states it is the list of the cache itself, which later calls
        bring up to date: even a list of ten thousand references takes milliseconds to copy.
        """
        if deepcopy or states not in (None, _WAITING):
            return super().get_all_trials(study_id, deepcopy, states)
        if states is None:
            self._read_trials_from_remote_storage(study_id)
            with self._lock:
                return self._listed(study_id)
        # Asked for before every trial, just after all trials were, of which most are finished.
        if not self._looked:
            self._read_trials_from_remote_storage(study_id)
        self._looked = False
        with self._lock:
            study = self._studies[study_id]
            known = map(self._trial_id_to_study_id_and_number.get, study.unfinished_trial_ids)
            found = [study.trials[place[1]] for place in known if place is not None]
            return sorted(
                (trial for trial in found if trial.state == TrialState.WAITING),
                key=lambda trial: trial.number,
            )

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        if self._backend.is_as_seen and study_id in self._lists:
            return
        super()._read_trials_from_remote_storage(study_id)
        self._looked = True

    def _listed(self, study_id: int) -> list[FrozenTrial]:
        """The list of all trials, with what has changed since the last call."""
        listed = self._lists.setdefault(study_id, [])
        for number, trial in sorted(self._changed.pop(study_id, {}).items()):
            if number < len(listed) and listed[number].number == number:
                listed[number] = trial
            elif number == len(listed) and (not listed or listed[-1].number == number - 1):
                listed.append(trial)
            else:
                # Another worker's trial has arrived after a later one.
                known = self._studies[study_id].trials
                listed[:] = [known[number] for number in sorted(known)]
                break
        return listed

    def _add_trials_to_cache(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        super()._add_trials_to_cache(study_id, list(trials))
        self._changed.setdefault(study_id, {}).update((trial.number, trial) for trial in trials)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self._looked = False
        return super().create_new_trial(study_id, template_trial)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        with self._lock:
            study = self._studies.get(study_id)
            # All trials before this one are finished.
            first = 0 if study is None else study.last_finished_trial_id + 1
            unfinished = () if study is None else study.unfinished_trial_ids
            first = min((*unfinished, first))
        return self._backend.silent_trials(study_id, first)
