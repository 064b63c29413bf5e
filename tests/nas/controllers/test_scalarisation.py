from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from nas.controllers.scalarisation import (
    Chances,
    closeness,
    expected_improvement,
    preferences,
    utilities,
)

FRONT = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 0.5]])


def test_preferences_are_directions_without_a_loss() -> None:
    drawn = preferences(50, 3, np.random.default_rng(0))
    assert drawn.shape == (50, 3)
    assert (drawn > 0).all()
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(50))


def test_single_objective_has_one_preference() -> None:
    assert preferences(3, 1, np.random.default_rng(0)).tolist() == [[1.0], [1.0], [1.0]]


def test_utility_is_how_far_the_box_reaches() -> None:
    directions = np.array([[0.6, 0.8], [0.8, 0.6]])
    # Along (0.6, 0.8) the box of (2, 2) ends where the second coordinate is 2, at 2 / 0.8.
    expected = [[1 / 0.6, 2 / 0.8, 0.5 / 0.8], [1 / 0.8, 2 / 0.8, 0.5 / 0.6]]
    assert utilities(FRONT, directions) == pytest.approx(np.array(expected))


def test_utility_is_negative_beyond_the_reference_point() -> None:
    direction = np.array([[0.6, 0.8]])
    assert utilities(np.array([[-0.3, 5.0]]), direction).tolist() == [[pytest.approx(-0.5)]]


def test_mean_of_the_best_utilities_measures_the_hypervolume() -> None:
    directions = preferences(40_000, 2, np.random.default_rng(0))
    best = utilities(FRONT, directions).max(axis=1)
    # In polar coordinates, a quarter of a circle: the integral of r^2 / 2 over the angle.
    area = math.pi / 2 * float((best**2 / 2).mean())
    assert area == pytest.approx(1 * 3 + 1 * 2 + 1 * 0.5, rel=0.01)


def test_mean_of_the_best_utilities_measures_the_hypervolume_of_three_objectives() -> None:
    boxes = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 1.0]])
    directions = preferences(40_000, 3, np.random.default_rng(0))
    best = utilities(boxes, directions).max(axis=1)
    # An eighth of a sphere: the integral of r^3 / 3 over the solid angle.
    volume = math.pi / 2 * float((best**3 / 3).mean())
    assert volume == pytest.approx(6 + 4 - 2, rel=0.02)


def test_closeness_is_1_on_the_front_and_less_behind_it() -> None:
    points = np.vstack([FRONT, [[1.0, 1.0]]])
    close = closeness(points, preferences(200, 2, np.random.default_rng(0)))
    assert close[:3].tolist() == [1, 1, 1]
    # Behind (2, 2) with half of each of its gains, and compared with better ones elsewhere.
    assert close[3] == pytest.approx(0.5)


def normal(mean: np.ndarray, std: np.ndarray) -> Chances:
    """The chances of candidates whose gains are independent and normally distributed."""
    return lambda gains: norm.sf((gains[:, None] - mean) / std).prod(axis=-1)


def test_expected_improvement_of_one_objective_has_its_closed_form() -> None:
    mean, std, best = np.array([[1.2], [0.4]]), np.array([[0.5], [0.3]]), 1.0
    z = (mean[:, 0] - best) / std[:, 0]
    closed = std[:, 0] * (z * norm.cdf(z) + norm.pdf(z))
    found = expected_improvement(normal(mean, std), np.array([1.0]), best, 3.5)
    assert found == pytest.approx(closed, rel=0.01)


def test_expected_improvement_of_two_objectives_agrees_with_sampling() -> None:
    mean, std = np.array([[0.8, 0.9], [0.5, 1.2]]), np.array([[0.2, 0.1], [0.3, 0.3]])
    preference, best = np.array([0.6, 0.8]), 1.0
    draws = mean + std * np.random.default_rng(0).standard_normal((400_000, 2, 2))
    reach = np.maximum(draws / preference, 0).min(axis=-1)
    sampled = np.maximum(reach**2 - best**2, 0).mean(axis=0)
    found = expected_improvement(normal(mean, std), preference, best, 2.7)
    assert found == pytest.approx(sampled, rel=0.03)


def test_hardly_anything_is_expected_of_candidates_far_from_the_best() -> None:
    mean, std = np.array([[0.1, 0.1], [1.0, 1.0]]), np.array([[0.01, 0.01], [0.01, 0.01]])
    found = expected_improvement(normal(mean, std), np.array([0.6, 0.8]), 1.0, 2.0)
    assert found[0] < 1e-12
    # The second one reaches 1 / 0.8 for sure: squares grow from 1 to 1.5625.
    assert found[1] == pytest.approx(0.5625, rel=0.3)
