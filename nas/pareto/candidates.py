"""The candidates of one or several searches, as fronts and pictures need them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.pareto.front import front
from nas.pareto.objectives import Objective, ParetoError


@dataclass(frozen=True)
class Candidate:
    """A finished trial.

    Args:
        trial: Its number in the study, from 0.
        iteration: Its place in the search, from 0; usually the number of the trial.
        values: Figures by name, for example quality, reward, params, flops (operations) and
            latency (milliseconds).
        label: What a picture calls it; empty for the number of the trial.

    Raises:
        ParetoError: If a number is negative.
    """

    trial: int
    iteration: int
    values: Mapping[str, float]
    label: str = ""

    def __post_init__(self) -> None:
        if self.trial < 0 or self.iteration < 0:
            raise ParetoError(
                "trials and iterations are counted from 0, "
                f"not trial {self.trial} at iteration {self.iteration}."
            )

    @property
    def title(self) -> str:
        """The label, or the number of the trial."""
        return self.label or str(self.trial)


@dataclass(frozen=True)
class Series:
    """The candidates of one search.

    Args:
        name: What a legend calls the search.
        candidates: At least one.

    Raises:
        ParetoError: If the name is empty, there is no candidate, or a trial occurs twice.
    """

    name: str
    candidates: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        if not self.name:
            raise ParetoError("a search needs a name.")
        if not self.candidates:
            raise ParetoError(f"search {self.name!r} has no finished trial yet.")
        trial, times = Counter(c.trial for c in self.candidates).most_common(1)[0]
        if times > 1:
            raise ParetoError(f"search {self.name!r} lists trial {trial} twice.")


def matrix(
    candidates: Sequence[Candidate], objectives: Sequence[Objective]
) -> npt.NDArray[np.float64]:
    """The values of the objectives, N×M.

    Raises:
        ParetoError: If a candidate lacks a value or has one that is not finite; the message names
            the trial.
    """
    rows = [[_value(candidate, o.name) for o in objectives] for candidate in candidates]
    return np.array(rows, dtype=np.float64).reshape(len(candidates), len(objectives))


def front_of(candidates: Sequence[Candidate], objectives: Sequence[Objective]) -> list[Candidate]:
    """The candidates that no other one dominates, sorted as by `nas.pareto.front.front`.

    Raises:
        ParetoError: If a candidate lacks a value or has one that is not finite.
    """
    directions = [objective.direction for objective in objectives]
    return [candidates[index] for index in front(matrix(candidates, objectives), directions)]


def check_searches(searches: Sequence[Series]) -> None:
    """Checks that there is something to draw and that a legend can tell it apart.

    Raises:
        ParetoError: If there is no search, or two have the same name.
    """
    if not searches:
        raise ParetoError("there is no search to draw.")
    name, times = Counter(search.name for search in searches).most_common(1)[0]
    if times > 1:
        raise ParetoError(f"two searches are named {name!r}; give each its own name.")


def _value(candidate: Candidate, name: str) -> float:
    if name not in candidate.values:
        known = ", ".join(candidate.values) or "none"
        raise ParetoError(f"trial {candidate.trial} has no {name!r}; it has: {known}.")
    value = candidate.values[name]
    if value is None or not math.isfinite(value):
        raise ParetoError(f"{name!r} of trial {candidate.trial} is not finite: {value}.")
    return float(value)
