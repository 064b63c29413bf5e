"""Where a study is kept: a database, or memory; both write related attributes at once."""

from __future__ import annotations

import copy
import os
import sqlite3
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import OptunaError, StorageInternalError
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb.models import TrialUserAttributeModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from nas.errors import UserError

# Seconds that a worker waits for its turn to use the file.
_SQLITE_TIMEOUT = 120
_PASSWORD_KEYS = ("password", "passwd", "sslpassword")
PASSWORD = "NAS_STORAGE_PASSWORD"
"""The variable that may hold the password of a storage."""


class TrialStorage(RDBStorage):
    """A database that writes related attributes in one transaction.

    A trial is created together with the identity of its worker: otherwise a worker that dies
    between the two leaves a trial that nobody knows to be lost. The parameters of a candidate, or
    its record, are written at once within `together`.

    Attributes:
        origin: Recorded with every new trial; None records nothing.
    """

    origin: Mapping[str, Any] | None = None
    _waiting: list[Callable[[Session], None]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Collects what the block writes to trials, and writes it in one transaction at its end.

        If the block raises, none of it is written. Only one thread at a time may do this.

        Raises:
            UpdateFinishedTrialError: If another worker has finished the trial.
            StorageInternalError: If the database refuses.
        """
        self._waiting = []
        try:
            yield
            writes = self._waiting
        finally:
            self._waiting = None
        if not writes:
            return
        try:
            with self.scoped_session() as session, session.begin():
                for write in writes:
                    write(session)
        except SQLAlchemyError as error:
            raise StorageInternalError(f"the database refused a trial's record: {error}") from error
        finally:
            self.remove_session()

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        if template_trial is None and self.origin is not None:
            template_trial = optuna.trial.create_trial(
                state=TrialState.RUNNING, user_attrs={"origin": dict(self.origin)}
            )
        return super()._create_new_trial(study_id, template_trial)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if self._waiting is None:
            super().set_trial_user_attr(trial_id, key, value)
            return
        model = TrialUserAttributeModel
        self._waiting.append(
            lambda session: self._set_trial_attr_without_commit(
                session, model, trial_id, key, value
            )
        )

    def _set_trial_param(self, *args: Any) -> None:
        # This is what the cache in front of the database calls.
        if self._waiting is None:
            super()._set_trial_param(*args)
            return
        self._waiting.append(lambda session: self._set_trial_param_without_commit(session, *args))


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
        for write in writes:
            write()

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


class TrialCache(_CachedStorage):
    """Optuna's cache of finished trials, without sorting thousands of them at every read.

    A study is read several times in every trial. Trials almost always arrive in the order of their
    numbers; they are sorted only when one did not.
    """

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if deepcopy or states is not None:
            return super().get_all_trials(study_id, deepcopy, states)
        self._read_trials_from_remote_storage(study_id)
        with self._lock:
            return list(self._studies[study_id].trials.values())

    def _add_trials_to_cache(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        known = self._studies[study_id].trials
        last = next(reversed(known), -1)
        late = any(trial.number < last and trial.number not in known for trial in trials)
        super()._add_trials_to_cache(study_id, list(trials))
        if late:
            self._studies[study_id].trials = dict(sorted(known.items()))


def connect(place: str | Path, *, held: bool = True, **options: Any) -> TrialStorage:
    """Opens a database for reading; workers use `nas.searching.study.working_storage`.

    Args:
        place: A SQLAlchemy URL, whose password the variable ``NAS_STORAGE_PASSWORD`` may give; or
            the path of a SQLite file, which may have any name.
        held: Whether connections stay open between two uses; a SQLite file that somebody holds
            open cannot become a single file again.
        options: Options of Optuna's storage.

    Raises:
        UserError: If it is no URL, it cannot be reached or its driver is missing.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url, engine = _of_file(place) if isinstance(place, Path) else _of_url(place)
    told = place if isinstance(place, Path) else without_password(place)
    if not held:
        engine["poolclass"] = NullPool
    try:
        return TrialStorage(url, engine_kwargs=engine, **options)
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
    """Makes every transaction of this process take its turn before it reads.

    Optuna reads the state of a trial and then writes it. On a database server it locks the row;
    SQLite has no such lock, so that a trial could be marked as failed and as complete.
    """

    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        # Write-ahead logging saves two thirds of the waits for the disk and survives a kill.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

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
