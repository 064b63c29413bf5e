"""The Optuna study of a search, the one record of truth: created, opened, read and joined."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection

from nas import allowed
from nas.errors import UserError
from nas.files import naming_full_disks
from nas.searching.config import SearchConfig
from nas.searching.continuing import StudyData, check_data, record_data
from nas.searching.databases import (
    connect,
    merge_log,
    refuse_password,
    serialise_sqlite,
    sqlite_path,
    without_password,
)
from nas.searching.memory_storage import MemoryStorage
from nas.searching.reading import config_class
from nas.searching.run_folder import RunFolder
from nas.searching.storage import TrialCache, TrialStorage
from search_spaces.space import SearchSpace


@contextmanager
def working_storage(
    run: RunFolder, config: SearchConfig, origin: Mapping[str, Any] | None = None
) -> Iterator[TrialStorage]:
    """Opens the storage of a run for a worker.

    The last worker to leave the file of a run makes it a single file that can be copied.

    Args:
        run: The run folder.
        config: Its configuration.
        origin: Recorded with every trial that is created through this storage.

    Raises:
        UserError: If the storage cannot be reached.
    """
    place = config.storage or run.study_path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = connect(
            place,
            patience=config.storage_timeout,
            # A worker comes after whoever made the study.
            reached=origin is not None,
            heartbeat_interval=config.heartbeat,
            grace_period=config.grace,
        )
    storage.origin = origin
    if storage.engine.name == "sqlite":
        serialise_sqlite(storage.engine)
    try:
        file = run.study_path if config.storage is None else sqlite_path(config.storage)
        with naming_full_disks(file or Path("the database")):
            yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
        if config.storage is None:
            merge_log(run.study_path)


def check_storage(config: SearchConfig) -> None:
    """Refuses a database that cannot be reached; otherwise the user is known to trust it.

    Raises:
        UserError: With the reason.
    """
    if config.storage is not None:
        refuse_password(config.storage)
        connect(config.storage).engine.dispose()
        allowed.allow([without_password(config.storage)])


def create_study(
    storage: TrialStorage,
    run: RunFolder,
    config: SearchConfig,
    space: SearchSpace,
    data: StudyData | None = None,
) -> optuna.Study:
    """Creates the study of a run, or opens an existing one, and sets the number of trials.

    Args:
        storage: Where it is kept.
        run: The run folder.
        config: Its configuration.
        space: Its space.
        data: What its trials learn from; recorded in the study.

    Raises:
        UserError: If the storage holds a study of this name with another space, other objectives
            or other data, or has lost what it held.
    """
    try:
        study = optuna.create_study(
            study_name=run.study_name, storage=TrialCache(storage), directions=_directions(config)
        )
    except DuplicatedStudyError:
        study = _load(storage, run.study_name, None)
    if "space" not in study.user_attrs:
        _describe(study, config, space)
    check_study(study, config, space)
    check_whole(run, study)
    if data is not None:
        check_data(study, data, run.path)
        record_data(study, data)
    study.set_user_attr("config", config.model_dump(mode="json", exclude={"storage"}))
    _ask(study, config)
    run.remember_trials(count_trials(study))
    return study


def create_memory_study(
    storage: MemoryStorage, config: SearchConfig, space: SearchSpace, sampler: BaseSampler
) -> optuna.Study:
    """Creates the study of a search that leaves nothing behind.

    Args:
        storage: Where the study is kept.
        config: Configuration of the search.
        space: Its space.
        sampler: Its controller.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage, sampler=sampler, directions=_directions(config))
    _describe(study, config, space)
    _ask(study, config)
    return study


def open_study(
    storage: TrialStorage,
    run: RunFolder,
    config: SearchConfig,
    space: SearchSpace,
    sampler: BaseSampler,
) -> optuna.Study:
    """Opens the study of a run for a worker.

    Raises:
        UserError: If there is no such study, or it has another space or other objectives.
    """
    study = _load(storage, run.study_name, sampler)
    check_study(study, config, space)
    return study


def count_trials(study: optuna.Study) -> int:
    """Number of trials of a study, in any state; a large study is not read for this."""
    storage = study._storage
    if isinstance(storage, TrialCache):
        return storage.count_trials(study._study_id)
    return len(study.get_trials(deepcopy=False))


def read_study(run: RunFolder, patience: float = 0.0) -> optuna.Study:
    """Opens the study of a run for reading; the run folder may be read-only.

    Args:
        run: The run folder.
        patience: Seconds for which the database is waited for if it is away.

    Raises:
        UserError: If there is no study yet, it lacks trials that it had, or the run names a
            database that the user never used.
    """
    url = run.config().storage
    if url is None and not (run.study_path.is_file() and run.study_path.stat().st_size):
        if run.known_trials() is not None:
            raise UserError(_lost(run, "is gone or empty"))
        raise UserError(f"{run.path}: no study yet; start the search with --resume.")
    require_allowed(run, url)
    storage = _connect_to_read(url or run.study_path, patience)
    try:
        study = _load(storage, run.study_name, None)
    except UserError:
        if run.known_trials() is None:
            raise
        raise UserError(_lost(run, "is not there any more")) from None
    check_whole(run, study)
    return study


def known_study(run: RunFolder) -> optuna.Study | None:
    """The study of a run, or None where the search was stopped before there was one.

    Raises:
        UserError: If there was one, and it is lost or lacks trials that it had.
    """
    try:
        return read_study(run)
    except UserError:
        if run.known_trials() is not None:
            raise
        return None


def check_whole(run: RunFolder, study: optuna.Study) -> None:
    """Refuses a study that has fewer trials than the run folder remembers.

    Raises:
        UserError: If it has.
    """
    # In this order: another worker adds to both.
    remembered = run.known_trials() or 0
    found = count_trials(study)
    if found < remembered:
        raise UserError(_lost(run, f"has {found} trials where it had {remembered}"))


def _lost(run: RunFolder, what: str) -> str:
    file = run.study_path.name
    remedy = "bring its database back"
    if run.config().storage is None:
        remedy = (
            f"bring {file} back together with {file}-wal, if there is one beside it (nas runs copy "
            "copies a run as a whole)"
        )
    return (
        f"{run.path}: its study {what}; {remedy}, or delete {run.memory_path} to go on with what "
        "is left."
    )


def require_allowed(run: RunFolder, url: str | None) -> None:
    """Refuses a database that a run names and the user never used on this machine.

    Raises:
        UserError: With what to do.
    """
    if url is not None:
        allowed.require([without_password(url)], run.path)


def _connect_to_read(place: str | Path, patience: float = 0.0) -> TrialStorage:
    """Opens a database without writing to it.

    Args:
        place: As for `connect`.
        patience: Likewise.

    Raises:
        UserError: If it cannot be reached, or holds no study.
    """
    file = place if isinstance(place, Path) else sqlite_path(place)
    if file is not None and not file.is_file():
        # SQLite would create an empty one.
        raise UserError(f"--storage {place}: no such file; start the search first.")
    return connect(place, held=False, patience=patience, skip_table_creation=True)


def join_study(path: Path, storage: str, name: str) -> RunFolder:
    """Makes a run folder on this machine for a study that another machine has started.

    Raises:
        UserError: If the storage has no study of that name, or the folder is in use.
    """
    refuse_password(storage)
    study = _load(_connect_to_read(storage), name, None)
    values = {**study.user_attrs["config"], "storage": storage}
    config = config_class(values).model_validate(values)
    # As the configuration spells it: a relative path of a file has become an absolute one.
    allowed.allow([without_password(str(config.storage))])
    return RunFolder.create(path, config, study_name=name)


def first_trial(study: optuna.Study) -> int:
    """Number of the first trial since the search was started or resumed."""
    return int(study.user_attrs["first_trial"])


def check_study(study: optuna.Study, config: SearchConfig, space: SearchSpace) -> None:
    """Refuses a study that cannot take trials of this search.

    Raises:
        UserError: If it has another space or other objectives.
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


def _directions(config: SearchConfig) -> list[StudyDirection]:
    costs = len(config.objectives) - 1
    return [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * costs]


def _describe(study: optuna.Study, config: SearchConfig, space: SearchSpace) -> None:
    study.set_user_attr("objectives", list(config.objectives))
    study.set_user_attr("space", space.fingerprint)


def _ask(study: optuna.Study, config: SearchConfig) -> None:
    study.set_user_attr("first_trial", count_trials(study))
    study.set_user_attr("trials", config.trials)


def _load(storage: TrialStorage, name: str, sampler: BaseSampler | None) -> optuna.Study:
    try:
        return optuna.load_study(study_name=name, storage=TrialCache(storage), sampler=sampler)
    except KeyError as error:
        raise UserError(f"the storage has no study {name!r}; start the search first.") from error
