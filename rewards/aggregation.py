"""Several figures made one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rewards.errors import RewardError
from rewards.figures import finite, known


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _geometric_mean(values: Sequence[float]) -> float:
    if min(values) < 0:
        raise RewardError(f"a geometric mean needs figures of 0 or more, not {min(values)}.")
    if min(values) == 0:
        return 0.0
    return math.exp(_mean([math.log(value) for value in values]))


_Function = Callable[[Sequence[float]], float]

_AGGREGATES: dict[str, _Function] = {
    "mean": _mean,
    "geometric_mean": _geometric_mean,
    "minimum": min,
}
_COMBINATIONS: dict[str, _Function] = {
    "mean": _mean,
    "product": math.prod,
    "geometric_mean": _geometric_mean,
}

AGGREGATES = tuple(_AGGREGATES)
COMBINATIONS = tuple(_COMBINATIONS)


def aggregate(values: Sequence[float], how: str) -> float:
    """Makes one quality of the scores of several classes.

    Args:
        values: At least one finite score.
        how: "mean", "geometric_mean" or "minimum".

    Raises:
        RewardError: If `how` is unknown, there is no score, one is not finite, or a geometric
            mean meets a negative one.
    """
    known(how, AGGREGATES, "aggregate")
    if len(values) == 0:
        raise RewardError("there are no scores to aggregate.")
    checked = [finite(value, f"score {index}") for index, value in enumerate(values)]
    return _AGGREGATES[how](checked)


def combine(coefficients: Sequence[float], how: str) -> float:
    """Makes one coefficient of those of several penalties; 1 if there is none.

    Args:
        coefficients: Positive coefficients.
        how: "mean" (MNASPP), "product" (MnasNet) or "geometric_mean".

    Raises:
        RewardError: If `how` is unknown.
    """
    known(how, COMBINATIONS, "combination")
    return _COMBINATIONS[how](coefficients) if coefficients else 1.0
