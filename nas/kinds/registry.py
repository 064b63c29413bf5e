"""Kinds by name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from nas.errors import UserError
from nas.tasks import Task
from open_registry import Registry, UnknownNameError

if TYPE_CHECKING:
    from nas.kinds.kind import AnyKind


def _complaint(found: Any) -> str | None:
    from nas.kinds.kind import Kind

    is_kind = isinstance(found, type) and issubclass(found, Kind)
    return None if is_kind else "must be a subclass of nas.kinds.kind.Kind"


KINDS: Registry[type[AnyKind]] = Registry(
    "kind of task",
    {
        "segmentation": "nas.kinds.segmentation.kind:SegmentationKind",
        "classification": "nas.kinds.classification.kind:ClassificationKind",
        "antispoofing": "nas.kinds.antispoofing.kind:AntiSpoofingKind",
    },
    _complaint,
)


def kind_names() -> tuple[str, ...]:
    """The names that `kind_named` knows."""
    return KINDS.names()


@functools.cache
def kind_named(name: str) -> AnyKind:
    """A kind by the name that its tasks and its search spaces give.

    Raises:
        UserError: If there is none of that name.
    """
    try:
        return KINDS.get(name)()
    except UnknownNameError as error:
        raise UserError(str(error)) from error


def kind_of(task: Task) -> AnyKind:
    """The kind of a task."""
    return kind_named(task.kind)
