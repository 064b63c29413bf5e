"""Epochs after which a candidate is scored on its way."""

from __future__ import annotations

Rungs = tuple[int, ...]
"""Epochs counted from 1, rising."""


def check_rungs(rungs: Rungs, epochs: int) -> None:
    """Refuses rungs that are not on the way.

    Raises:
        ValueError: If they do not rise, or are not before the last epoch.
    """
    rising = list(rungs) == sorted(set(rungs))
    if not rising or any(not 0 < rung < epochs for rung in rungs):
        raise ValueError(f"rungs must be rising epochs from 1 to {epochs - 1}, not {list(rungs)}")
