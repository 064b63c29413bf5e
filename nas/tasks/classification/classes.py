"""Refuses classes that make no task."""

from __future__ import annotations

from nas.errors import UserError
from nas.tasks.classification.settings import ClassSettings
from nas.tasks.spelling import hint


def check_classes(classes: tuple[str, ...], settings: ClassSettings) -> None:
    """Refuses a single class, and reward classes that are no classes.

    Args:
        classes: Name of each class, as the data or the settings give it.
        settings: The settings of the task.

    Raises:
        UserError: In either case.
    """
    if len(classes) < 2:
        raise UserError(f"task {settings.name}: a task needs at least two classes.")
    for name in settings.reward_classes:
        if name not in classes:
            raise UserError(
                f"task {settings.name}: reward_classes: unknown class {name!r}; "
                f"{hint(name, classes)}"
            )
