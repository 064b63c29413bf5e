"""Copies a run as a whole, while it is running too."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from nas.errors import UserError
from nas.searching.databases import merge_log
from nas.searching.run_folder import RunFolder

# The database is copied by SQLite, and process ids mean nothing elsewhere.
_LEFT_OUT = ("study.db", "study.db-*", "study.json", "workers.json")


def copy_run(run: RunFolder, target: Path, cache: bool = True) -> RunFolder:
    """Copies a run folder; workers may be adding to it.

    A plain copy of a running search can miss what its database still keeps in the file beside it.

    Args:
        run: The run.
        target: A folder that does not exist yet.
        cache: Whether what can be computed again is copied too.

    Raises:
        UserError: If the target exists or cannot be written.
    """
    if target.exists():
        raise UserError(f"{target}: it exists already; name a new folder.")
    left_out = (*_LEFT_OUT, *(() if cache else (run.cache.name,)))
    # Read first: what is remembered must never be more than what the copy holds.
    known = run.known_trials()
    try:
        shutil.copytree(run.path, target, ignore=_at(run.path, left_out), symlinks=True)
        copy = RunFolder(target)
        if run.study_path.is_file():
            with (
                closing(sqlite3.connect(run.study_path)) as source,
                closing(sqlite3.connect(copy.study_path)) as goal,
            ):
                source.backup(goal)
            merge_log(copy.study_path)
    except (OSError, shutil.Error, sqlite3.Error) as error:
        raise UserError(f"{target}: cannot be written ({error}).") from error
    if not cache:
        copy.cache.mkdir()
    if known is not None:
        copy.remember_trials(known)
    return RunFolder.open(target)


def _at(folder: Path, names: tuple[str, ...]) -> Callable[[str, list[str]], set[str]]:
    """What `copytree` leaves out of the folder itself, but not of those within."""
    patterns = shutil.ignore_patterns(*names)
    return lambda place, found: patterns(place, found) if Path(place) == folder else set()
