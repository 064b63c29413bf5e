"""A learner that finds the way back within the limits of a search."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from nas.controllers.learner import Draw, Learner, Lesson
from nas.controllers.neighbours import neighbours
from search_spaces.space import SearchSpace

_PATIENCE = 20
"""Consecutive candidates beyond the limits that are left to the learner."""


class Retreat(Learner):
    """Leaves the draws to another learner, as long as some of them are within the limits.

    Where few candidates are within, a learner that starts at random, or follows a model beyond
    them, would go on and on. After some candidates beyond the limits in a row, this one tries what
    is one decision away from a candidate within them or, where none is known, from that which is
    least beyond: so it descends to the limits and along them. Without limits it does nothing.

    Args:
        learner: Draws, and learns of every trial.
        space: The search space.
    """

    def __init__(self, learner: Learner, space: SearchSpace) -> None:
        self._learner = learner
        self._space = space
        self._in_a_row = 0
        self._known: set[tuple[int, ...]] = set()
        self._within: list[Lesson] = []
        self._nearest: Lesson | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> Retreat:
        # Lessons never change.
        other = copy.copy(self)
        other._learner = copy.deepcopy(self._learner, memo)
        other._known = set(self._known)
        other._within = list(self._within)
        return other

    def learn(self, lesson: Lesson) -> None:
        self._learner.learn(lesson)
        self._known.add(lesson.choices)
        if lesson.within_limits:
            self._in_a_row = 0
            self._within.append(lesson)
            return
        self._in_a_row += 1
        if self._nearest is None or lesson.excess < self._nearest.excess:
            self._nearest = lesson

    def draw(self, rng: np.random.Generator) -> Draw:
        return self.draw_beside((), rng)

    def draw_beside(self, running: Sequence[tuple[int, ...]], rng: np.random.Generator) -> Draw:
        if self._in_a_row < _PATIENCE or self._nearest is None:
            return self._learner.draw_beside(running, rng)
        parent = self._within[rng.integers(len(self._within))] if self._within else self._nearest
        around = rng.permutation(neighbours(self._space, parent.choices)).tolist()
        known = self._known.union(running)
        fresh = next((tuple(choices) for choices in around if tuple(choices) not in known), None)
        return Draw(fresh) if fresh is not None else self._learner.draw_beside(running, rng)
