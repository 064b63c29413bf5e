"""What is optimised, and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from nas.errors import UserError

Direction = Literal["maximise", "minimise"]


class ParetoError(UserError):
    """Figures that cannot be compared or drawn, in one sentence."""


@dataclass(frozen=True)
class Objective:
    """A named figure of every candidate and its direction.

    Args:
        name: Key among a candidate's values, for example "quality", "flops" or "latency".
        direction: "maximise" or "minimise".
        label: What an axis calls it, without the unit; empty for the name.
        unit: Symbol of its unit, for example "ms"; empty for a number without one.
        prefixed: Whether an axis of large values has the prefix K, M, G or T.

    Raises:
        ParetoError: If the name is empty or the direction unknown.
    """

    name: str
    direction: Direction
    label: str = ""
    unit: str = ""
    prefixed: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ParetoError("an objective needs a name.")
        check_direction(self.direction)


def check_direction(direction: str) -> None:
    """Checks that a direction is a known one.

    Raises:
        ParetoError: If it is not.
    """
    known = get_args(Direction)
    if direction not in known:
        raise ParetoError(f"unknown direction {direction!r}; choose {' or '.join(known)}.")


def as_costs(points: npt.ArrayLike, directions: Sequence[Direction]) -> npt.NDArray[np.float64]:
    """Points as costs, every objective to be minimised.

    Args:
        points: N×M, a row for each candidate, a column for each objective.
        directions: The M directions.

    Returns:
        N×M, the columns to be maximised with their sign changed.

    Raises:
        ParetoError: If the shape does not fit the directions, a direction is unknown, or a value
            is not finite; the message names the index of the point.
    """
    values = np.asarray(points, dtype=np.float64)
    for direction in directions:
        check_direction(direction)
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise ParetoError(
            f"expected points with {len(directions)} objectives each, "
            f"found an array of shape {values.shape}."
        )
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if wrong.size:
        index = int(wrong[0])
        raise ParetoError(f"point {index} is not finite: {values[index].tolist()}.")
    return values * _signs(directions)


def _signs(directions: Sequence[Direction]) -> npt.NDArray[np.float64]:
    return np.array([1.0 if direction == "minimise" else -1.0 for direction in directions])
