"""Settings of a search that say where something lies, and runs that move with what they name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.nested import flattened
from nas.settings import overridden

LOCATIONS = (
    "task",
    "data",
    "cache",
    "storage",
    "table",
    "imports",
    "evaluation.teacher.run",
    "evaluation.encoder.weights",
)
"""Settings that say where something lies, which the study knows by its content."""


def placed_in(run: Path, values: Any) -> Any:
    """Values that a run saved, with absolute paths of what lies in its folder."""

    def absolute(place: str) -> str:
        # Older runs saved what lies elsewhere by a relative path too.
        path = run.resolve() / place
        relative = not Path(place).is_absolute() and ":" not in place
        # Unlike Path.exists, this is False for a name that no file can have.
        return str(path) if relative and os.path.exists(path) else place  # noqa: PTH110

    return with_places(values, absolute)


def with_places(values: Any, change: Callable[[str], str]) -> Any:
    """Values with each of their `LOCATIONS` changed."""
    flat = flattened(values) if isinstance(values, dict) else {}
    places = {key: flat[key] for key in LOCATIONS if isinstance(flat.get(key), str)}
    return overridden(values, {k: change(v) for k, v in places.items()}) if places else values
