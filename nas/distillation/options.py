"""Checks of what a loss is made with."""

from __future__ import annotations

import math
from collections.abc import Collection


def require_positive(option: str, value: float) -> None:
    """Refuses what is not a finite number above 0.

    Raises:
        ValueError: If it is not.
    """
    if not _is_number(value) or value <= 0:
        raise ValueError(f"{option} must be above 0, not {value!r}")


def require_not_negative(option: str, value: float) -> None:
    """Refuses what is not a finite number from 0.

    Raises:
        ValueError: If it is not.
    """
    if not _is_number(value) or value < 0:
        raise ValueError(f"{option} must be 0 or above, not {value!r}")


def require_share(option: str, value: float) -> None:
    """Refuses what is not a number from 0 to below 1.

    Raises:
        ValueError: If it is not.
    """
    if not _is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{option} must be at least 0 and below 1, not {value!r}")


def require_count(option: str, value: int) -> None:
    """Refuses what is not a whole number from 1.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{option} must be a whole number from 1, not {value!r}")


def require_whole(option: str, value: int) -> None:
    """Refuses what is not a whole number.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{option} must be a whole number, not {value!r}")


def require_flag(option: str, value: bool) -> None:
    """Refuses what is neither true nor false.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{option} must be true or false, not {value!r}")


def require_one_of(option: str, value: str, allowed: Collection[str]) -> None:
    """Refuses what is not among the allowed words.

    Raises:
        ValueError: If it is not.
    """
    if value not in allowed:
        raise ValueError(f"{option} must be {' or '.join(map(repr, allowed))}, not {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
