"""The database of a study: how it is reached, and how trials are written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError, StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb.models import TrialUserAttributeModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from nas.errors import UserError

# A worker waits this many seconds for its turn in the file before it gives up.
_SQLITE_TIMEOUT = 120


class TrialStorage(RDBStorage):
    """A storage that writes what belongs together in one transaction.

    A trial is created together with the name of who works on it: otherwise a worker that dies
    between the two leaves a trial that nobody knows to be lost. The twenty parameters of a
    candidate, or its record, are written at once within `together`.

    Attributes:
        origin: Recorded with every new trial; None records nothing.
    """

    origin: Mapping[str, Any] | None = None
    _waiting: list[Callable[[Session], None]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Collects what the block writes to trials, and writes it in one transaction at its end.

        If the block raises, nothing of it is written. One thread at a time may do this.

        Raises:
            UpdateFinishedTrialError: If a trial was finished by somebody else.
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
        # What the cache in front of every database calls.
        if self._waiting is None:
            super()._set_trial_param(*args)
            return
        self._waiting.append(lambda session: self._set_trial_param_without_commit(session, *args))


class TrialCache(_CachedStorage):
    """Optuna's cache of finished trials, which does not sort thousands of them at every look.

    A study is read several times in every trial. Trials come in the order of their numbers nearly
    always; they are sorted when one did not.
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


def connect(url: str, **options: Any) -> TrialStorage:
    """Opens a database for reading; see `nas.search.study.working_storage` for work.

    Args:
        url: As SQLAlchemy spells it.
        options: For Optuna's storage.

    Raises:
        UserError: If it cannot be reached or its driver is missing.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    engine: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        engine = {"connect_args": {"timeout": _SQLITE_TIMEOUT}}
    try:
        return TrialStorage(url, engine_kwargs=engine, **options)
    except ImportError as error:
        raise UserError(
            f"--storage {_without_password(url)} needs a database driver: {error.__cause__}; "
            "for PostgreSQL install the extra 'postgresql'."
        ) from error
    except (SQLAlchemyError, OptunaError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(f"cannot use the storage {_without_password(url)}: {reason}.") from error


def serialise_sqlite(engine: Engine) -> None:
    """Makes every transaction of this process take its turn before it reads.

    Optuna reads the state of a trial and then writes it. On a database server it locks the row;
    SQLite knows no such lock, so a lost trial could be failed and completed at once.
    """

    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        # The log spares two thirds of the waits for the disk, and a killed process loses nothing.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    engine.dispose()


def merge_log(path: Path) -> None:
    """Makes a SQLite database a single file again, unless somebody else works on it."""
    connection = sqlite3.connect(path, timeout=0)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        # The last one to leave merges.
        return
    finally:
        connection.close()


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path.resolve()}"


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, or None if it is another database."""
    try:
        parts = make_url(url)
    except ArgumentError:
        return None
    if parts.get_backend_name() != "sqlite" or parts.database in (None, "", ":memory:"):
        return None
    return Path(str(parts.database))


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{tail}" if at else url
