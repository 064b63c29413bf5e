from __future__ import annotations

import math

import numpy as np
import pytest

from nas.errors import UserError
from nas.pareto.front import front
from nas.pareto.objectives import ParetoError

BOTH = ("maximise", "minimise")


def brute_force(points: np.ndarray, directions: tuple[str, ...]) -> set[int]:
    signs = np.array([1 if direction == "minimise" else -1 for direction in directions])
    costs = points * signs
    return {
        i for i, a in enumerate(costs) if not any((b <= a).all() and (b < a).any() for b in costs)
    }


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "directions",
    [BOTH, ("minimise", "minimise"), ("maximise", "minimise", "minimise"), ("maximise",) * 3],
)
def test_the_front_is_that_of_a_comparison_of_all_pairs(
    directions: tuple[str, ...], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct values, so that points and single coordinates coincide.
    points = rng.integers(0, 12, size=(80, len(directions))) / 7
    found = front(points, directions)
    assert set(found.tolist()) == brute_force(points, directions)
    assert len(set(found.tolist())) == len(found)


def test_differences_in_the_last_digit_count() -> None:
    above = math.nextafter(0.7, 1)
    assert front([[0.7, 1.0], [above, 1.0]], BOTH).tolist() == [1]


def test_equal_points_are_all_kept() -> None:
    points = [[0.5, 2.0], [0.9, 3.0], [0.5, 2.0], [0.4, 2.0]]
    assert front(points, BOTH).tolist() == [0, 2, 1]


def test_a_front_is_sorted_by_its_first_cost() -> None:
    points = [[0.9, 30.0, 1.0], [0.1, 10.0, 9.0], [0.5, 20.0, 5.0]]
    directions = ("maximise", "minimise", "minimise")
    assert front(points, directions).tolist() == [1, 2, 0]


def test_without_a_cost_the_first_objective_sorts_best_first() -> None:
    assert front([[1.0, 5.0], [3.0, 2.0], [2.0, 4.0]], ("maximise",) * 2).tolist() == [1, 2, 0]


def test_a_single_point_is_its_front() -> None:
    assert front([[0.5, 2.0]], BOTH).tolist() == [0]


def test_no_points_have_an_empty_front() -> None:
    assert front(np.empty((0, 2)), BOTH).tolist() == []


def test_one_objective_keeps_all_the_best() -> None:
    assert front([[3.0], [1.0], [1.0]], ("minimise",)).tolist() == [1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_point_that_is_not_finite_is_refused_by_its_index(value: float) -> None:
    with pytest.raises(ParetoError, match="point 2 is not finite"):
        front([[0.5, 1.0], [0.6, 1.0], [0.7, value]], BOTH)


@pytest.mark.parametrize(
    ("points", "directions", "message"),
    [
        ([[1.0, 2.0]], ("maximise",), r"1 objectives each, found an array of shape \(1, 2\)"),
        ([1.0, 2.0], BOTH, r"shape \(2,\)"),
        ([[1.0, 2.0]], ("max", "minimise"), "direction 'max'; choose maximise or minimise"),
    ],
)
def test_wrong_arguments_are_user_errors(
    points: list[list[float]], directions: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        front(points, directions)
