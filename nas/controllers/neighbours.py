"""Candidates made without a model: at random, or by changing one decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.space import SearchSpace

Choices = NDArray[np.int64]
"""Indices of the options taken, of shape (candidates, decisions)."""


def random_choices(space: SearchSpace, count: int, rng: np.random.Generator) -> Choices:
    """Candidates with every decision uniform, of shape (count, decisions)."""
    sizes = [len(decision.options) for decision in space.decisions]
    return rng.integers(sizes, size=(count, len(sizes)))


def neighbours(space: SearchSpace, candidates: ArrayLike) -> Choices:
    """All candidates that differ from one of those given in exactly one decision.

    Args:
        space: The search space.
        candidates: Shape (candidates, decisions), or (decisions,) for one.

    Returns:
        Shape (candidates times neighbours of each, decisions), in a fixed order.
    """
    given = np.atleast_2d(np.asarray(candidates, dtype=np.int64))
    sizes = np.array([len(decision.options) for decision in space.decisions])
    where = np.repeat(np.arange(len(sizes)), sizes - 1)
    steps = np.concatenate([np.arange(1, size) for size in sizes])
    changed = np.repeat(given[:, None], len(where), axis=1)
    moves = np.arange(len(where))
    changed[:, moves, where] = (changed[:, moves, where] + steps) % sizes[where]
    return changed.reshape(-1, len(sizes))
