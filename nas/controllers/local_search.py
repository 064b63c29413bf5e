"""Local search."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from nas.controllers.learner import Draw, Learner, Lesson
from nas.controllers.neighbours import neighbours
from nas.controllers.pool import pool_of
from nas.settings import Settings
from search_spaces.space import SearchSpace


class LocalSearchSettings(Settings):
    """Local search has no settings."""


class LocalSearch(Learner):
    """Climbs: tries the candidates one decision away from the best, and moves on to a better one.

    White et al. 2020, https://arxiv.org/abs/2005.02960, in the variant that moves as soon as a
    neighbour is better. Where no neighbour is left to try, the climb starts again from a random
    candidate. A network that was tried is not tried again while others are found.

    Args:
        space: The search space.
        seed: Not used: a draw's generator is all the randomness there is.
        settings: None.
    """

    settings = LocalSearchSettings

    def __init__(self, space: SearchSpace, seed: int, settings: LocalSearchSettings) -> None:
        self._space = space
        self._pool = pool_of(space)
        self._known: set[Hashable] = set()
        self._centre: Lesson | None = None
        self._finished = True

    def learn(self, lesson: Lesson) -> None:
        self._known.add(self._pool.network(lesson.choices))
        if lesson.within_limits and self._is_higher(lesson):
            self._centre = lesson
        if self._centre is None:
            return
        around = neighbours(self._space, self._centre.choices).tolist()
        self._finished = all(self._pool.network(choices) in self._known for choices in around)

    def _is_higher(self, lesson: Lesson) -> bool:
        # A lesson that comes when a climb has finished is where the next one starts.
        return self._finished or self._centre is None or lesson.reward > self._centre.reward

    def draw(self, rng: np.random.Generator) -> Draw:
        if self._finished or self._centre is None:
            return Draw(self._pool.random(self._known, rng))
        around = neighbours(self._space, self._centre.choices)
        return Draw(self._pool.first_fresh(rng.permutation(around).tolist(), self._known))
