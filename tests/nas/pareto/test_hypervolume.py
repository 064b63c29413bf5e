from __future__ import annotations

import math

import numpy as np
import pytest

from nas.pareto.hypervolume import hypervolume, hypervolume_over_time, reference_point
from nas.pareto.objectives import ParetoError

COSTS = ("minimise", "minimise")
BOTH = ("maximise", "minimise")


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([[1.0, 1.0]], 4.0),
        ([[1.0, 2.0], [2.0, 1.0]], 3.0),
        ([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]], 3.0),
        ([[1.0, 2.0], [1.0, 2.0]], 2.0),
        ([], 0.0),
    ],
)
def test_two_costs(points: list[list[float]], expected: float) -> None:
    volume = hypervolume(np.array(points).reshape(-1, 2), COSTS, [3.0, 3.0])
    assert volume == pytest.approx(expected)


def test_a_quality_and_a_cost() -> None:
    # 2 to 3 G at quality 0.5, 3 to 4 G at 0.8, above the reference quality 0.1.
    volume = hypervolume([[0.5, 2.0], [0.8, 3.0]], BOTH, [0.1, 4.0])
    assert volume == pytest.approx(0.4 * 1 + 0.7 * 1)


def test_three_objectives() -> None:
    directions = ("maximise", "minimise", "minimise")
    points = [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    # Two boxes of 1 × 1 × 2 that share one of 1 × 1 × 1.
    assert hypervolume(points, directions, [0.0, 2.0, 2.0]) == pytest.approx(3.0)


@pytest.mark.parametrize("worse", [[0.05, 1.0], [0.9, 5.0], [0.1, 1.0]])
def test_points_that_are_not_better_than_the_reference_add_nothing(worse: list[float]) -> None:
    assert hypervolume([worse], BOTH, [0.1, 4.0]) == 0.0
    both = hypervolume([[0.5, 2.0], worse], BOTH, [0.1, 4.0])
    assert both == pytest.approx(hypervolume([[0.5, 2.0]], BOTH, [0.1, 4.0]))


def test_over_time_each_step_is_the_hypervolume_so_far() -> None:
    rng = np.random.default_rng(0)
    points = np.round(rng.random((40, 3)), 1)
    directions = ("maximise", "minimise", "minimise")
    reference = [0.1, 0.9, 0.9]
    steps = hypervolume_over_time(points, directions, reference)
    expected = [hypervolume(points[: n + 1], directions, reference) for n in range(len(points))]
    assert steps == pytest.approx(expected)
    assert (np.diff(steps) >= 0).all()
    assert 0 < steps[-1] < 0.9**3


def test_over_time_of_no_points_is_empty() -> None:
    assert hypervolume_over_time(np.empty((0, 2)), BOTH, [0.0, 1.0]).shape == (0,)


def test_the_reference_point_lies_one_percent_behind_the_worst() -> None:
    points = [[0.2, 100.0], [0.7, 300.0], [0.4, 200.0]]
    assert reference_point(points, BOTH) == pytest.approx([0.2 - 0.005, 302.0])


def test_the_reference_point_of_a_single_point_leaves_it_a_volume() -> None:
    reference = reference_point([[0.5, 0.0]], BOTH)
    assert reference == pytest.approx([0.495, 0.01])
    assert hypervolume([[0.5, 0.0]], BOTH, reference) == pytest.approx(0.005 * 0.01)


def test_no_points_have_no_reference_point() -> None:
    with pytest.raises(ParetoError, match="at least one point"):
        reference_point(np.empty((0, 2)), BOTH)


@pytest.mark.parametrize("reference", [[0.1], [0.1, math.nan], [[0.1, 4.0]]])
def test_wrong_reference_points_are_refused(reference: list[float]) -> None:
    with pytest.raises(ParetoError, match="the reference point needs 2 finite values"):
        hypervolume([[0.5, 2.0]], BOTH, reference)


def test_points_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ParetoError, match="point 1 is not finite"):
        hypervolume_over_time([[0.5, 2.0], [math.nan, 2.0]], BOTH, [0.1, 4.0])
