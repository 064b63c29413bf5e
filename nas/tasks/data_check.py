"""Looks through a task's files before anything is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.tasks.check_report import CheckReport
from nas.tasks.registry import load
from nas.tasks.task import Task


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
