"""Kinds by name."""

from __future__ import annotations

import difflib
import functools
import importlib
from typing import TYPE_CHECKING

from nas.errors import UserError
from nas.tasks import Task

if TYPE_CHECKING:
    from nas.kinds.kind import AnyKind

# Modules by name: a command for one kind need not import what another one needs.
_KINDS = {
    "segmentation": ("nas.kinds.segmentation.kind", "SegmentationKind"),
    "classification": ("nas.kinds.classification.kind", "ClassificationKind"),
}


def kind_names() -> tuple[str, ...]:
    """The names that `kind_named` knows."""
    return tuple(_KINDS)


@functools.cache
def kind_named(name: str) -> AnyKind:
    """A kind by the name that its tasks and its search spaces give.

    Raises:
        UserError: If there is none of that name.
    """
    if name not in _KINDS:
        nearest = difflib.get_close_matches(name, _KINDS, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(_KINDS)}."
        raise UserError(f"no kind of task {name!r}; {hint}")
    module, attribute = _KINDS[name]
    kind: AnyKind = getattr(importlib.import_module(module), attribute)()
    return kind


def kind_of(task: Task) -> AnyKind:
    """The kind of a task."""
    return kind_named(task.kind)
