"""Regularised evolution."""

from __future__ import annotations

from collections import deque

import numpy as np
from pydantic import Field, model_validator

from nas.controllers.learner import Draw, Learner, Lesson
from nas.settings import Settings
from search_spaces.space import SearchSpace


class EvolutionSettings(Settings):
    """Settings of regularised evolution; the paper has a population of 100 and samples of 25.

    Attributes:
        population: Number of youngest finished trials that may become parents; as many trials
            are random before the first parent is chosen.
        sample: Number of them that compete to be the parent.
    """

    population: int = Field(default=20, ge=1)
    sample: int = Field(default=5, ge=1)

    @model_validator(mode="after")
    def _sample_fits(self) -> EvolutionSettings:
        if self.sample > self.population:
            raise ValueError(
                f"sample ({self.sample}) must not exceed population ({self.population})"
            )
        return self


class Evolution(Learner):
    """Ageing evolution of Real et al. 2019, https://arxiv.org/abs/1802.01548.

    The population is the trials that finished last. The best of a random sample of it is the
    parent; a child differs from it in exactly one decision. Candidates beyond a limit of the search
    are neither parents nor do they age the population.

    Args:
        space: The search space.
        seed: Not used: a draw's generator is all the randomness there is.
        settings: Sizes of population and sample.
    """

    settings = EvolutionSettings

    def __init__(self, space: SearchSpace, seed: int, settings: EvolutionSettings) -> None:
        self._sizes = [len(decision.options) for decision in space.decisions]
        self._free = [index for index, size in enumerate(self._sizes) if size > 1]
        self._sample = settings.sample
        self._population: deque[Lesson] = deque(maxlen=settings.population)

    def learn(self, lesson: Lesson) -> None:
        if lesson.within_limits:
            self._population.append(lesson)

    def draw(self, rng: np.random.Generator) -> Draw:
        if len(self._population) < (self._population.maxlen or 0) or not self._free:
            return Draw(tuple(int(rng.integers(size)) for size in self._sizes))
        rivals = rng.choice(len(self._population), size=self._sample, replace=False)
        parent = max((self._population[index] for index in rivals), key=lambda rival: rival.reward)
        return Draw(self._mutate(parent.choices, rng))

    def _mutate(self, choices: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        where = self._free[rng.integers(len(self._free))]
        step = int(rng.integers(1, self._sizes[where]))
        child = list(choices)
        child[where] = (child[where] + step) % self._sizes[where]
        return tuple(child)
