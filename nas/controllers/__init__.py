"""Optuna samplers that decide which candidate to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.controllers.registry import (
    DEFAULT,
    address,
    create,
    is_importable,
    names,
    register,
    resolve,
)

if TYPE_CHECKING:
    from nas.controllers.learner import Draw, Learner, Lesson

__all__ = [
    "DEFAULT",
    "Draw",
    "Learner",
    "Lesson",
    "address",
    "create",
    "is_importable",
    "names",
    "register",
    "resolve",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for: the names of controllers, which help lists, need no NumPy.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nas.controllers import learner

    return getattr(learner, name)
