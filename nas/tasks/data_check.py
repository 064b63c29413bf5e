"""Looks through a task's files before anything is trained on them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json, write_json
from nas.tasks.check_report import CheckReport
from nas.tasks.registry import load
from nas.tasks.task import Task
from user_folders import private_folder

_VERSION = 1
"""Changes with what a check finds."""


def check(
    task: Task | str | Path, data: str | Path | None = None, **options: Any
) -> CheckReport[Any]:
    """Reads every file of a task.

    Args:
        task: A task, or what `nas.tasks.load` takes.
        data: As for `nas.tasks.load`.
        **options: As for `nas.tasks.load`.

    Returns:
        What the task holds and what is wrong with it, split by split in the terms of its kind.

    Raises:
        UserError: If the task cannot be loaded at all.
    """
    return (task if isinstance(task, Task) else load(task, data, **options)).check()


def require_sound(task: Task, say: Callable[[str], None]) -> None:
    """Refuses data with problems before a training, and tells what is worth knowing of them.

    To look through a set that is too large for memory takes minutes. One that was found sound is
    not looked through again until a byte of its files changes.

    Args:
        task: The data.
        say: Told every note of the check.

    Raises:
        UserError: With the first problem and the number of the others.
    """
    is_large = any(source.is_mapped for source in task.sources.values())
    record = _record(task) if is_large else None
    notes = None if record is None else _notes(record)
    if notes is None:
        report = check(task)
        report.raise_if_bad()
        notes = report.notes
        if record is not None:
            # Without it, the set is looked through another time.
            with contextlib.suppress(OSError, UserError):
                write_json(record, notes)
    for note in notes:
        say(note)


def _record(task: Task) -> Path:
    """The file that keeps the notes of a sound task."""
    sources = [
        (split, source.read_key, source.problems, source.notes)
        for split, source in task.sources.items()
    ]
    meaning = (_VERSION, task.kind, task.name, task.classes, task.reward_classes, sources)
    name = hashlib.blake2b(repr(meaning).encode(), digest_size=16).hexdigest()
    return private_folder("checks") / f"{name}.json"


def _notes(record: Path) -> list[str] | None:
    """The notes of a task that was found sound, or None."""
    if not record.exists():
        return None
    try:
        found = read_json(record)
    except UserError:
        return None
    return found if isinstance(found, list) and all(isinstance(n, str) for n in found) else None
