"""Where a study is kept: a database, or memory; both write related attributes at once."""

from __future__ import annotations

import copy
import functools
import math
import os
import sqlite3
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import OptunaError
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from nas.errors import UserError
from nas.searching.outages import Outages, is_outage
from nas.searching.statements import (
    Writes,
    beat,
    beats,
    count_trials,
    create_running_trial,
    read_trial,
    read_trials,
    set_state,
    state_of,
    study_attributes,
    write,
)

# Seconds that SQLite waits for its turn to use the file, before `Outages` does.
_SQLITE_TIMEOUT = 20
_PASSWORD_KEYS = ("password", "passwd", "sslpassword")
PASSWORD = "NAS_STORAGE_PASSWORD"
"""The variable that may hold the password of a storage."""
_READING = "nas_reading"
"""Option of a connection that writes nothing, and so takes no turn."""

T = TypeVar("T")


class TrialStorage(RDBStorage):
    """A database that is waited for where it is away, and that takes few statements per trial.

    A trial is created together with the identity and the heartbeat of its worker: otherwise a
    worker that dies between these leaves a trial that nobody knows to be lost. The parameters of a
    candidate, or its record, are written at once within `together`.

    Workers whose heartbeat does not change are given up by how long this process has watched that,
    so that clocks which differ or move do not matter.

    Args:
        url: See `optuna.storages.RDBStorage`.
        outages: Waits for the database; None raises its errors.
        options: Options of Optuna's storage.

    Attributes:
        origin: Recorded with every new trial; None records nothing.
    """

    def __init__(self, url: str, outages: Outages | None = None, **options: Any) -> None:
        self._outages = outages
        self.origin: Mapping[str, Any] | None = None
        self._waiting: dict[int, Writes] | None = None
        # The trial that this process runs: nobody else writes to it but its end.
        self._own: FrozenTrial | None = None
        self._silence: dict[int, tuple[Any, float]] = {}
        self._watched = math.inf
        super().__init__(url, **options)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Collects what the block writes to trials, and writes it in one transaction at its end.

        If the block raises, none of it is written. Only one thread at a time may do this.

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
        if writes:
            self._write(writes)

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        if template_trial is not None or self.origin is None:
            create = RDBStorage._create_new_trial
            return self._waited(lambda again: create(self, study_id, template_trial))
        attributes = {"origin": dict(self.origin), "claimed": True}
        self._own = self._changed(
            lambda connection: create_running_trial(connection, study_id, attributes)
        )
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
        def operation(again: bool) -> bool:
            with self._writing() as connection:
                if again and state_of(connection, trial_id) == state:
                    # It was written when the connection broke.
                    return True
                return set_state(connection, trial_id, state, values)

        if self._own is not None and self._own._trial_id == trial_id:
            self._own = None
        return self._waited(operation)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        own = self._own
        if own is not None and own._trial_id == trial_id:
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
        try:
            with self._writing() as connection:
                beat(connection, trial_id)
        except SQLAlchemyError as error:
            # The next one will do: nobody gives a worker up for want of a single one.
            if not is_outage(error):
                raise

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        assert self.heartbeat_interval is not None and self.grace_period is not None
        found = self._seen(lambda connection: beats(connection, study_id))
        now = time.monotonic()
        # What was not watched, as this process was stopped or the database away, does not count.
        watched = min(max(0.0, now - self._watched), float(self.heartbeat_interval))
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
        def operation(connection: Connection) -> None:
            for trial_id, own in writes.items():
                write(connection, trial_id, own)

        self._changed(operation)
        if self._own is not None and self._own._trial_id in writes:
            writes[self._own._trial_id].apply(self._own)

    def _changed(self, operation: Callable[[Connection], T]) -> T:
        """Does something that can be done twice, in a transaction."""

        def attempt(again: bool) -> T:
            with self._writing() as connection:
                return operation(connection)

        return self._waited(attempt)

    def _seen(self, operation: Callable[[Connection], T]) -> T:
        """Reads something."""

        def attempt(again: bool) -> T:
            with self.engine.connect() as connection:
                return operation(connection.execution_options(**{_READING: True}))

        return self._waited(attempt)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection

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


class MemoryStorage(InMemoryStorage):
    """Keeps studies in memory, for short searches that leave nothing behind.

    It has the interface of a `TrialStorage` as far as a worker needs it, for a single process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[Callable[[], None]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """See `TrialStorage.together`."""
        self._waiting = []
        try:
            yield
            writes = self._waiting
        finally:
            self._waiting = None
        for later in writes:
            later()

    def record_heartbeat(self, trial_id: int) -> None:
        """Does nothing: a study in memory does not outlive its worker."""

    def get_trial(self, trial_id: int) -> FrozenTrial:
        trial = super().get_trial(trial_id)
        if trial.state.is_finished():
            return trial
        # Optuna changes the trial that it is given here before it writes to the storage.
        own = copy.copy(trial)
        own.params, own.distributions = dict(trial.params), dict(trial.distributions)
        own.user_attrs = dict(trial.user_attrs)
        return own

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if self._waiting is None:
            super().set_trial_user_attr(trial_id, key, value)
            return
        self._waiting.append(
            lambda: super(MemoryStorage, self).set_trial_user_attr(trial_id, key, value)
        )

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        if self._waiting is None:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
            return
        self._waiting.append(
            lambda: super(MemoryStorage, self).set_trial_param(
                trial_id, param_name, param_value_internal, distribution
            )
        )


_WAITING = (TrialState.WAITING,)


class TrialCache(_CachedStorage):
    """Optuna's cache of finished trials, without sorting thousands of them at every read.

    A study is read several times in every trial. Trials almost always arrive in the order of their
    numbers; they are sorted only when one did not.
    """

    _backend: TrialStorage

    def count_trials(self, study_id: int) -> int:
        """Number of trials of a study, in any state."""
        return self._backend.count_trials(study_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if deepcopy or states not in (None, _WAITING):
            return super().get_all_trials(study_id, deepcopy, states)
        self._read_trials_from_remote_storage(study_id)
        with self._lock:
            study = self._studies[study_id]
            if states is None:
                return list(study.trials.values())
            # Asked for before every trial, and in a large study almost all trials are finished.
            known = map(self._trial_id_to_study_id_and_number.get, study.unfinished_trial_ids)
            found = [study.trials[place[1]] for place in known if place is not None]
            return sorted(
                (trial for trial in found if trial.state == TrialState.WAITING),
                key=lambda trial: trial.number,
            )

    def _add_trials_to_cache(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        known = self._studies[study_id].trials
        last = next(reversed(known), -1)
        late = any(trial.number < last and trial.number not in known for trial in trials)
        super()._add_trials_to_cache(study_id, list(trials))
        if late:
            self._studies[study_id].trials = dict(sorted(known.items()))


def connect(
    place: str | Path,
    *,
    held: bool = True,
    patience: float = 0.0,
    reached: bool = True,
    **options: Any,
) -> TrialStorage:
    """Opens a database for reading; workers use `nas.searching.study.working_storage`.

    Args:
        place: A SQLAlchemy URL, whose password the variable ``NAS_STORAGE_PASSWORD`` may give; or
            the path of a SQLite file, which may have any name.
        held: Whether connections stay open between two uses; a SQLite file that somebody holds
            open cannot become a single file again.
        patience: Seconds for which the database is waited for whenever it is away; 0 raises.
        reached: Whether it has been reached before, and is waited for from the beginning.
        options: Options of Optuna's storage.

    Raises:
        UserError: If it is no URL, it cannot be reached or its driver is missing.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url, engine = _of_file(place) if isinstance(place, Path) else _of_url(place)
    told = place if isinstance(place, Path) else without_password(place)
    if not held:
        engine["poolclass"] = NullPool
    outages = Outages(f"the database {told}", patience) if patience else None

    def opened(again: bool) -> TrialStorage:
        return TrialStorage(url, outages, engine_kwargs=engine, **options)

    try:
        return outages.wait_out(opened) if outages and reached else opened(False)
    except ImportError as error:
        raise UserError(
            f"--storage {told} needs a database driver: {error.__cause__}; "
            "for PostgreSQL install the extra 'postgresql'."
        ) from error
    except (SQLAlchemyError, OptunaError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(f"cannot use the storage {told}: {reason}.") from error


def _of_file(path: Path) -> tuple[str, dict[str, Any]]:
    """What opens a SQLite file; in a URL some characters of its name would mean something else."""
    file = path.resolve()

    def opened() -> sqlite3.Connection:
        return sqlite3.connect(file, timeout=_SQLITE_TIMEOUT, check_same_thread=False)

    # The URL tells SQLAlchemy that it is a file, and `creator` which.
    return "sqlite:///study.db", {"creator": opened}


def _of_url(url: str) -> tuple[str, dict[str, Any]]:
    """What opens the database of a URL.

    Raises:
        UserError: If it is no URL.
    """
    _check_url(url)
    if url.startswith("sqlite"):
        return url, {"connect_args": {"timeout": _SQLITE_TIMEOUT}}
    password = os.environ.get(PASSWORD)
    arguments = {"connect_args": {"password": password}} if password else {}
    return url, {"pool_pre_ping": True, **arguments}


def serialise_sqlite(engine: Engine) -> None:
    """Makes every transaction of this process that writes take its turn before it reads.

    Optuna reads the state of a trial and then writes it. On a database server it locks the row;
    SQLite has no such lock, so that a trial could be marked as failed and as complete.
    """

    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        # Write-ahead logging saves two thirds of the waits for the disk and survives a kill.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READING, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    engine.dispose()


def merge_log(path: Path) -> None:
    """Makes a SQLite database a single file again, unless another process is using it."""
    connection = sqlite3.connect(path, timeout=0)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        # The last process to leave merges.
        return
    finally:
        connection.close()


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, or None if it is another database."""
    try:
        parts = make_url(url)
    except ArgumentError:
        return None
    if parts.get_backend_name() != "sqlite" or parts.database in (None, "", ":memory:"):
        return None
    return Path(str(parts.database))


def without_password(url: str) -> str:
    """The URL of a database as it may be shown and saved."""
    try:
        parts = make_url(url)
    except ArgumentError:
        _, at, tail = url.rpartition("@")
        return f"...@{tail}" if at else url
    parts = parts._replace(password=None).difference_update_query(_PASSWORD_KEYS)
    return parts.render_as_string(hide_password=False)


def refuse_password(url: str) -> None:
    """Refuses the URL of a database that holds a password.

    Raises:
        UserError: One sentence that says where it belongs.
    """
    try:
        parts = make_url(url)
    except ArgumentError:
        # Whoever connects says what is wrong.
        return
    if parts.password is not None or parts.query.keys() & set(_PASSWORD_KEYS):
        raise UserError(
            f"--storage {without_password(url)}: leave the password out, as others of this machine "
            f"can read commands and run folders; set {PASSWORD}, or use the file of the database's "
            "client, such as ~/.pgpass."
        )


def _check_url(url: str) -> None:
    try:
        parts = make_url(url)
    except ArgumentError as error:
        raise UserError(
            f"the storage {without_password(url)!r} is no database URL; write for example "
            "postgresql://user@host/name, or sqlite:////folder/file.db."
        ) from error
    if parts.get_backend_name() == "sqlite" and sqlite_path(url) is None:
        raise UserError(
            f"the storage {url!r} names no file; write sqlite:////folder/file.db, or leave it out."
        )
