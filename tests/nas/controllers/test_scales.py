from __future__ import annotations

import math

import numpy as np
import pytest

from nas.controllers.scales import LowerTail, Scales

GAINS = np.array([[0.9, -2.0], [0.8, -1.0], [0.7, -4.0], [0.1, -3.0], [0.6, -5.0]])


def test_tail_below_the_median_gets_shorter() -> None:
    tail = LowerTail(median=10, width=2)
    shortened = tail.shorten(np.array([12.0, 10.0, 8.0, 4.0]))
    assert shortened == pytest.approx([12, 10, 10 - 2 * math.log(2), 10 - 2 * math.log(4)])


def test_restored_values_are_those_that_were_shortened() -> None:
    values = np.linspace(-50, 20, 71)
    tail = LowerTail(median=5, width=3)
    assert tail.restore(tail.shorten(values)) == pytest.approx(values)
    assert (np.diff(tail.shorten(values)) > 0).all()


def test_restored_values_are_always_finite() -> None:
    assert np.isfinite(LowerTail(median=0, width=1e-3).restore(np.array([-1e6])))[0]


def test_tail_is_that_of_the_values() -> None:
    assert LowerTail.of(np.array([0.0, 6.0, 10.0, 11.0, 30.0])) == LowerTail(10, 4)


@pytest.mark.parametrize(
    ("values", "width"), [([5.0, 5.0, 5.0, 9.0], math.sqrt(3)), ([5.0, 5.0], 1)]
)
def test_width_is_positive_where_the_lower_half_is_all_the_same(
    values: list[float], width: float
) -> None:
    assert LowerTail.of(np.array(values)).width == pytest.approx(width)


def test_relative_gains_reach_from_the_reference_to_the_best_of_each() -> None:
    relative = Scales(GAINS).relative(GAINS)
    # The costs seen are 1 to 5, and their reference is 7.
    assert relative[:, 1] == pytest.approx([5 / 6, 1, 3 / 6, 4 / 6, 2 / 6])
    assert relative[[0, 3], 0].tolist() == [1, 0]


def test_what_costs_more_than_anything_seen_has_a_gain_all_the_same() -> None:
    assert Scales(GAINS).relative(np.array([[0.9, -6.0]]))[0, 1] > 0


def test_costs_are_modelled_as_they_are() -> None:
    modelled = Scales(GAINS).modelled(GAINS)
    assert np.array_equal(modelled[:, 1], GAINS[:, 1])
    assert modelled[:3, 0] == pytest.approx(GAINS[:3, 0])
    assert modelled[3, 0] > GAINS[3, 0]


def test_model_and_preference_see_the_same_gains() -> None:
    scales = Scales(GAINS)
    relative = scales.relative_of_modelled(scales.modelled(GAINS))
    assert relative == pytest.approx(scales.relative(GAINS))
    assert scales.modelled_of_relative(relative) == pytest.approx(scales.modelled(GAINS))


def test_objective_that_never_varies_has_no_gain() -> None:
    assert Scales(np.full((3, 2), 7.0)).relative(np.full((1, 2), 7.0)).tolist() == [[0, 0]]
