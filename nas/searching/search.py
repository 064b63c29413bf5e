"""A whole search: from a configuration to a study with the number of trials asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna

from nas import allowed
from nas.errors import UserError
from nas.nested import value_at
from nas.searching.assembly import Assembly
from nas.searching.config import ImageSearchConfig, SearchConfig
from nas.searching.continuing import (
    CHANGEABLE,
    agrees,
    check_data,
    check_settings,
    is_among,
)
from nas.searching.databases import without_password
from nas.searching.executors import create_executor
from nas.searching.locations import LOCATIONS
from nas.searching.places import Places, completed, trials_asked
from nas.searching.run_folder import RunFolder
from nas.searching.stop import SearchError
from nas.searching.study import (
    check_storage,
    create_study,
    known_study,
    require_allowed,
    working_storage,
)
from nas.searching.tracking import SearchTracking
from nas.settings import overridden, validate
from nas.tracking.session import check as check_trackers

_DATA = "data"


def start(
    config: SearchConfig,
    path: Path,
    assembly: Assembly,
    import_path: str,
    look: Callable[[optuna.Study], None] = lambda study: None,
) -> RunFolder:
    """Runs a new search.

    Args:
        config: What to search for.
        path: Run folder to make.
        assembly: What builds the parts of the search.
        import_path: Where worker processes find it, ``package.module:name``.
        look: Called with the study now and then, so that progress can be shown.

    Raises:
        UserError: If the folder is in use or the configuration is wrong.
        SearchError: If the number of trials asked for cannot be reached.
    """
    check_trackers(config.trackers or ())
    assembly.check(config)
    check_storage(config)
    run = RunFolder.create(path, config)
    try:
        config = assembly.prepare(run, config)
    except UserError:
        # The corrected command can then use the same folder.
        run.discard_if_new()
        raise
    _search(run, config, assembly, import_path, look)
    return run


def resume(
    path: Path,
    assembly: Assembly,
    import_path: str,
    look: Callable[[optuna.Study], None] = lambda study: None,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> RunFolder:
    """Continues a search after whatever ended it; the trials that are complete are kept.

    Args:
        path: The run folder.
        assembly: What builds the parts of the search.
        import_path: Where worker processes find it, ``package.module:name``.
        look: Called with the study now and then, so that progress can be shown.
        changes: Values by dotted key. Those of `CHANGEABLE` are taken over, all others must
            agree with the saved configuration, so that the first command can be repeated.

    Raises:
        UserError: If there is no such run, or a change would make another search of it.
        SearchError: If the number of trials asked for cannot be reached.
    """
    run = RunFolder.open(path)
    config = run.config()
    if "storage" in changes and config.storage is not None:
        _check_agreement(path, config, {"storage": changes["storage"]})
        allowed.allow([without_password(config.storage)])
    require_allowed(run, config.storage)
    if changes:
        _check_agreement(path, config, changes)
        config = _changed(config, changes)
    # Before anything is trained for a search that cannot go on.
    study = known_study(run)
    if study is not None:
        check_settings(study, config, run.config_path)
        check_data(study, assembly.data(config), run.path)
    check_trackers(config.trackers or ())
    if changes:
        assembly.check(config)
        run.save_config(config)
    _search(run, assembly.prepare(run, config), assembly, import_path, look)
    return run


def _check_agreement(path: Path, config: SearchConfig, changes: Mapping[str, Any]) -> None:
    """Refuses changes that would make another search of a run.

    Raises:
        UserError: With the first of them.
    """
    known = config.model_dump(mode="json")
    for key, value in changes.items():
        if is_among(key, (*CHANGEABLE, _DATA)):
            continue
        if key in LOCATIONS:
            # As configurations save it.
            given = validate(type(config), overridden(known, {key: value}), "--resume")
            value = value_at(given.model_dump(mode="json"), key)
        if not agrees(value_at(known, key), value):
            raise UserError(
                f"{path}: {key!r} cannot be changed with --resume (only "
                f"{', '.join(CHANGEABLE)}); start a new search for that."
            )


def _changed(config: SearchConfig, changes: Mapping[str, Any]) -> SearchConfig:
    """A configuration with the values that may change, and its images where they are now."""
    moved = changes.get(_DATA)
    if moved is not None and isinstance(config, ImageSearchConfig):
        config = config.with_data(moved)
    taken = {key: value for key, value in changes.items() if is_among(key, CHANGEABLE)}
    return validate(type(config), overridden(config.model_dump(mode="json"), taken), "--resume")


def _search(
    run: RunFolder,
    config: SearchConfig,
    assembly: Assembly,
    import_path: str,
    look: Callable[[optuna.Study], None],
) -> None:
    run.save_config(config)
    executor = create_executor(config.executor, config.workers, assembly, import_path)
    tracking = SearchTracking(run, config)

    def look_and_track(study: optuna.Study) -> None:
        look(study)
        tracking.look(study)

    with working_storage(run, config) as storage:
        study = create_study(storage, run, config, assembly.space(config), assembly.data(config))
        try:
            executor.run(run, study, Places(study, storage, config.grace), look_and_track)
        finally:
            tracking.finish(study)
        _check_complete(study)


def _check_complete(study: optuna.Study) -> None:
    complete = completed(study.get_trials(deepcopy=False))
    if complete < trials_asked(study):
        raise SearchError(
            f"{complete} of {trials_asked(study)} trials are complete; continue with --resume."
        )
