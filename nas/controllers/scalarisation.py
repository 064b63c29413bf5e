"""Several objectives as one number, by a preference among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Chances = Callable[[Array], Array]

_LEAST = 1e-3
"""No objective is left out of a preference, so that no division is by 0."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def preferences(count: int, objectives: int, rng: np.random.Generator) -> Array:
    """Random preferences: directions of gain, uniform among those without a loss.

    Returns:
        Shape (count, objectives), rows of length 1.
    """
    directions = np.maximum(np.abs(rng.standard_normal((count, objectives))), _LEAST)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def utilities(gains: Array, directions: Array) -> Array:
    """How far the box of a candidate's gains reaches in the direction of each preference.

    The mean over all preferences of the best utility, to the power of the number of objectives,
    is proportional to the hypervolume of the candidates (Zhang and Golovin 2020,
    https://arxiv.org/abs/2006.04655).

    Args:
        gains: Every objective as a distance from the reference point, larger being better, of
            shape (candidates, objectives).
        directions: Preferences of shape (preferences, objectives), positive.

    Returns:
        Shape (preferences, candidates); below 0 for what is worse than the reference point.
    """
    reach = gains[:, 0] / directions[:, :1]
    for objective in range(1, gains.shape[1]):
        np.minimum(reach, gains[:, objective] / directions[:, objective, None], out=reach)
    return reach


def closeness(gains: Array, directions: Array) -> Array:
    """How close candidates come to the best utility of the preference that suits them best.

    Args:
        gains: Shape (candidates, objectives).
        directions: Preferences of shape (preferences, objectives), positive.

    Returns:
        Shape (candidates,): 1 for those that are best under a preference, less for the others.
    """
    reach = utilities(gains, directions)
    best = np.maximum(reach.max(axis=1, keepdims=True), _LEAST)
    return (reach / best).max(axis=0)


def expected_improvement(chances: Chances, preference: Array, best: float, top: float) -> Array:
    """Expected growth of the best utility, to the power of the number of objectives.

    This is the integral of the chance that a candidate reaches a utility, as a Gauss-Legendre
    sum over utilities from the best known one to `top`.

    Args:
        chances: The chances that candidates reach the gains of each row, of shape (rows,
            candidates), from gains of shape (rows, objectives).
        preference: Shape (objectives,), positive.
        best: The best utility known, not negative.
        top: A utility, above the best one, that no candidate can be expected to exceed.

    Returns:
        Shape (candidates,).
    """
    power = len(preference)
    levels = best + (top - best) * (1 + _NODES) / 2
    weights = (top - best) / 2 * _WEIGHTS * power * levels ** (power - 1)
    return weights @ chances(levels[:, None] * preference)
