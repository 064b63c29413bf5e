"""The Optuna study of a run: the one record of truth."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, OptunaError
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from nas.errors import UserError
from nas.search.config import SearchConfig
from nas.search.run_folder import RunFolder
from search_spaces.space import SearchSpace

# A worker waits this many seconds for its turn in the file before it gives up.
_SQLITE_TIMEOUT = 120


class NamingStorage(RDBStorage):
    """A storage that creates a trial and names who works on it in one transaction.

    Otherwise a worker that dies between the two leaves a trial that nobody knows to be lost.

    Attributes:
        origin: Recorded with every new trial; None records nothing.
    """

    origin: Mapping[str, Any] | None = None

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        if template_trial is None and self.origin is not None:
            template_trial = optuna.trial.create_trial(
                state=TrialState.RUNNING, user_attrs={"origin": dict(self.origin)}
            )
        return super()._create_new_trial(study_id, template_trial)


@contextmanager
def working_storage(
    run: RunFolder, config: SearchConfig, origin: Mapping[str, Any] | None = None
) -> Iterator[RDBStorage]:
    """Opens the storage of a run for work on it.

    The last worker to leave the run's file makes it a single file that can be copied.

    Args:
        run: The run folder.
        config: Its configuration.
        origin: Recorded with every trial that is created through this storage.

    Raises:
        UserError: If the storage cannot be reached.
    """
    url = config.storage or _sqlite_url(run.study_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = _connect(url, heartbeat_interval=config.heartbeat, grace_period=config.grace)
    storage.origin = origin
    if storage.engine.name == "sqlite":
        _serialise_sqlite(storage.engine)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
        if config.storage is None:
            _merge_log(run.study_path)


def check_storage(config: SearchConfig) -> None:
    """Refuses a database that cannot be reached.

    Raises:
        UserError: With the reason.
    """
    if config.storage is not None:
        _connect(config.storage).engine.dispose()


def create_study(
    storage: RDBStorage, run: RunFolder, config: SearchConfig, space: SearchSpace
) -> optuna.Study:
    """Creates the study of a run, or opens it if it is there already, and says what is asked.

    Raises:
        UserError: If the storage holds a study of another space or with other objectives under
            this name.
    """
    directions = [StudyDirection.MAXIMIZE]
    directions += [StudyDirection.MINIMIZE] * (len(config.objectives) - 1)
    try:
        study = optuna.create_study(
            study_name=run.study_name, storage=storage, directions=directions
        )
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=run.study_name, storage=storage)
    if "space" not in study.user_attrs:
        study.set_user_attr("objectives", list(config.objectives))
        study.set_user_attr("space", space.fingerprint)
    check_study(study, config, space)
    study.set_user_attr("config", config.model_dump(mode="json", exclude={"storage"}))
    study.set_user_attr("first_trial", len(study.get_trials(deepcopy=False)))
    study.set_user_attr("trials", config.trials)
    return study


def open_study(
    storage: RDBStorage,
    run: RunFolder,
    config: SearchConfig,
    space: SearchSpace,
    sampler: BaseSampler,
) -> optuna.Study:
    """Opens the study of a run for work on it.

    Raises:
        UserError: If there is no such study, or it is not of this space and these objectives.
    """
    study = _load(storage, run.study_name, sampler)
    check_study(study, config, space)
    return study


def read_study(run: RunFolder) -> optuna.Study:
    """Opens the study of a run for reading; the run folder may be read-only.

    Raises:
        UserError: If there is no study yet.
    """
    url = run.config().storage
    if url is None and not run.study_path.is_file():
        raise UserError(f"{run.path}: no study yet; start the search with --resume.")
    return _load(_connect(url or _sqlite_url(run.study_path)), run.study_name, None)


def join_study(path: Path, storage: str, name: str) -> RunFolder:
    """Makes a run folder on this machine for a study that another machine has started.

    Raises:
        UserError: If the storage has no study of that name, or the folder is in use.
    """
    study = _load(_connect(storage), name, None)
    config = SearchConfig.model_validate({**study.user_attrs["config"], "storage": storage})
    return RunFolder.create(path, config, study_name=name)


def first_trial(study: optuna.Study) -> int:
    """Number of the first trial since the search was started or resumed."""
    return int(study.user_attrs["first_trial"])


def check_study(study: optuna.Study, config: SearchConfig, space: SearchSpace) -> None:
    """Refuses a study that cannot take trials of this search.

    Raises:
        UserError: If it is of another space or has other objectives.
    """
    known = study.user_attrs
    if known.get("space") != space.fingerprint:
        raise UserError(
            f"study {study.study_name!r} is of the space {known.get('space')}, not of "
            f"{space.fingerprint}; choose another run name."
        )
    if known.get("objectives") != list(config.objectives):
        raise UserError(
            f"study {study.study_name!r} has the objectives {', '.join(known['objectives'])}, "
            f"not {', '.join(config.objectives)}; choose another run name."
        )


def _load(storage: RDBStorage, name: str, sampler: BaseSampler | None) -> optuna.Study:
    try:
        return optuna.load_study(study_name=name, storage=storage, sampler=sampler)
    except KeyError as error:
        raise UserError(f"the storage has no study {name!r}; start the search first.") from error


def _connect(url: str, **options: Any) -> NamingStorage:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    engine: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        engine = {"connect_args": {"timeout": _SQLITE_TIMEOUT}}
    try:
        return NamingStorage(url, engine_kwargs=engine, **options)
    except ImportError as error:
        raise UserError(
            f"--storage {_without_password(url)} needs a database driver: {error.__cause__}; "
            "for PostgreSQL install the extra 'postgresql'."
        ) from error
    except (SQLAlchemyError, OptunaError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(f"cannot use the storage {_without_password(url)}: {reason}.") from error


def _serialise_sqlite(engine: Engine) -> None:
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


def _merge_log(path: Path) -> None:
    connection = sqlite3.connect(path, timeout=0)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        # Somebody else works on it, and the last one to leave merges.
        return
    finally:
        connection.close()


def _sqlite_url(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{tail}" if at else url
