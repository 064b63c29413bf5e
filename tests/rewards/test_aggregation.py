from __future__ import annotations

import math

import pytest

from rewards import RewardError, aggregate
from rewards.aggregation import combine


@pytest.mark.parametrize(
    ("how", "expected"),
    [("mean", 0.5), ("geometric_mean", (0.2 * 0.5 * 0.8) ** (1 / 3)), ("minimum", 0.2)],
)
def test_aggregates(how: str, expected: float) -> None:
    assert aggregate([0.5, 0.2, 0.8], how) == pytest.approx(expected)


def test_a_geometric_mean_with_a_zero_is_zero() -> None:
    assert aggregate([0.5, 0.0], "geometric_mean") == 0.0


def test_an_unknown_aggregate_is_refused_with_the_known_ones() -> None:
    message = "unknown aggregate 'median'; choose one of: mean, geometric_mean, minimum"
    with pytest.raises(RewardError, match=message):
        aggregate([0.5], "median")


@pytest.mark.parametrize(
    ("values", "how", "message"),
    [
        ([], "mean", "no scores"),
        ([0.5, math.nan], "minimum", "score 1 must be finite, not nan"),
        ([0.5, -0.1], "geometric_mean", "0 or more, not -0.1"),
    ],
)
def test_values_that_have_no_aggregate_are_refused(
    values: list[float], how: str, message: str
) -> None:
    with pytest.raises(RewardError, match=message):
        aggregate(values, how)


@pytest.mark.parametrize(
    ("how", "expected"), [("mean", 1.25), ("product", 1.0), ("geometric_mean", 1.0)]
)
def test_combinations(how: str, expected: float) -> None:
    assert combine([0.5, 2.0], how) == pytest.approx(expected)


def test_no_penalty_means_a_coefficient_of_one() -> None:
    assert combine([], "product") == 1.0
