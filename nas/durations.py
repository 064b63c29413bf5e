"""Durations as people write and read them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_SECONDS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(h|min|m|s)")


def seconds_of(value: Any) -> Any:
    """The seconds of a text such as ``2h``, ``1h30m``, ``45 min`` or ``90s``; others as they are.

    Raises:
        ValueError: If a text is no duration.
    """
    if not isinstance(value, str):
        return value
    parts = _PART.findall(value)
    if not parts or _PART.sub("", value).strip():
        raise ValueError(f"{value!r} is no duration; write for example 2h, 1h30m, 45m or 90s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


Duration = Annotated[float, BeforeValidator(seconds_of)]
"""Seconds, or a text that `seconds_of` understands."""


def duration(seconds: float) -> str:
    """A readable duration, for example "2 min 5 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
