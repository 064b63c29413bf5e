"""Checks of single figures, shared by everything that computes with recorded ones."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Real
from typing import Any

from rewards.errors import RewardError


def finite(value: Any, what: str) -> float:
    """Returns the value as a float.

    Raises:
        RewardError: If it is not a finite number; `what` names it in the message.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise RewardError(f"{what} must be a number, not {value!r}.")
    number = float(value)
    if not math.isfinite(number):
        raise RewardError(f"{what} must be finite, not {number}.")
    return number


def known(name: str, names: Collection[str], what: str) -> None:
    """Checks that a name is one of the known ones.

    Raises:
        RewardError: If it is not; the message lists those that are known.
    """
    if name not in names:
        raise RewardError(f"unknown {what} {name!r}; choose one of: {', '.join(names)}.")
