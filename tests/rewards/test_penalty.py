from __future__ import annotations

import math

import pytest

from rewards import Drop, Penalty, RewardError, automatic_base


@pytest.mark.parametrize(
    ("base", "exponent", "x", "expected"),
    [
        (0.5e6, -0.6, 0.2e6, 1.7328621),
        (0.5e6, -0.6, 0.5e6, 1.0),
        (0.5e6, -0.6, 1.0e6, 0.6597540),
        (0.35e6, -0.4, 0.7e6, 0.7578583),
        (0.3e6, -0.3, 0.15e6, 1.2311444),
        (2.0e9, -0.6, 1.0e9, 1.5157166),
        (0.8, -0.3, 0.4, 1.2311444),
        (1.0, 0.0, 5.0, 1.0),
    ],
)
def test_coefficients(base: float, exponent: float, x: float, expected: float) -> None:
    assert Penalty("params", base, exponent).coefficient(x, 0.5) == pytest.approx(expected)


def test_a_third_of_the_base_earns_the_largest_bonus_on_record() -> None:
    assert Penalty("params", 0.5e6, -0.6).coefficient(0.171e6, 0.5) == pytest.approx(1.9, abs=0.01)


@pytest.mark.parametrize(
    ("x", "quality", "dropped"),
    [
        (0.5e9, 0.20, True),
        (0.6e9, 0.20, False),
        (0.5e9, 0.25, False),
        (0.7e9, 0.30, False),
    ],
)
def test_a_drop_takes_the_bonus_only_under_both_floors(
    x: float, quality: float, dropped: bool
) -> None:
    free = Penalty("flops", 2.0e9, -0.6)
    penalty = Penalty("flops", 2.0e9, -0.6, Drop(0.6e9, 0.25))
    expected = 1.0 if dropped else free.coefficient(x, quality)
    assert penalty.coefficient(x, quality) == expected


def test_a_drop_does_not_lift_a_penalty() -> None:
    penalty = Penalty("flops", 1.0, -1.0, Drop(cost_floor=4.0, quality_floor=0.5))
    assert penalty.coefficient(2.0, 0.1) == 0.5


@pytest.mark.parametrize(
    ("cost", "base", "exponent", "message"),
    [
        ("", 1.0, -0.5, "needs the name of a cost"),
        ("flops", -1.0, -0.5, "base of the penalty on 'flops' must be above 0, not -1.0"),
        ("flops", 0, -0.5, "base of the penalty on 'flops' must be above 0, not 0"),
        ("flops", math.inf, -0.5, "base of the penalty on 'flops' must be finite, not inf"),
        ("flops", "auto", -0.5, "base of the penalty on 'flops' must be a number, not 'auto'"),
        ("flops", 1.0, 0.5, "exponent of the penalty on 'flops' must be 0 or less, not 0.5"),
        ("flops", 1.0, math.nan, "exponent of the penalty on 'flops' must be finite"),
    ],
)
def test_wrong_penalties_are_refused(cost: str, base: float, exponent: float, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        Penalty(cost, base, exponent)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (0, "cost 'flops' must be above 0, not 0"),
        (math.nan, "cost 'flops' must be finite, not nan"),
        (None, "cost 'flops' must be a number, not None"),
    ],
)
def test_costs_that_cannot_be_penalised_are_refused(x: float, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        Penalty("flops", 1.0, -0.5).coefficient(x, 0.5)


def test_a_coefficient_that_overflows_is_refused() -> None:
    with pytest.raises(RewardError, match="overflows at 1; bring the exponent -100 nearer"):
        Penalty("flops", 1e9, -100).coefficient(1, 0.5)


@pytest.mark.parametrize(
    ("cost_floor", "quality_floor", "message"),
    [
        (0, 0.5, "cost floor of a drop rule must be above 0"),
        (1.0, 25, "quality floor of a drop rule must lie between 0 and 1, not 25"),
    ],
)
def test_wrong_drops_are_refused(cost_floor: float, quality_floor: float, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        Drop(cost_floor, quality_floor)


def test_the_automatic_base_is_the_median() -> None:
    assert automatic_base([4, 1, 100]) == 4
    assert automatic_base([1, 2, 4, 100]) == 3


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ([], "at least one candidate"),
        ([1, math.inf], "sampled cost 1 must be finite"),
        ([1, 0], "must be above 0, not 0"),
    ],
)
def test_an_automatic_base_of_wrong_costs_is_refused(costs: list[float], message: str) -> None:
    with pytest.raises(RewardError, match=message):
        automatic_base(costs)
