"""NSGA-II, by pymoo."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pymoo.algorithms.moo.nsga2 import RankAndCrowding, binary_tournament
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mating import Mating
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.variable import Choice
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.rm import ChoiceRandomMutation
from pymoo.operators.selection.tournament import TournamentSelection

from nas.controllers.learner import Draw, Learner, Lesson
from nas.controllers.pool import Pool, pool_of
from nas.settings import Settings
from search_spaces.space import SearchSpace


class PymooNSGA2Settings(Settings):
    """Settings of NSGA-II by pymoo.

    Attributes:
        population_size: Trials per generation, and survivors of each; the first one is random.
        mutation_prob: Probability that a decision is drawn anew; None is 1 / decisions, at most
            one half.
        crossover_prob: Probability that a child takes decisions of two parents, each of them from
            either with equal probability.
    """

    population_size: int = Field(default=20, ge=2)
    mutation_prob: float | None = Field(default=None, gt=0, le=1)
    crossover_prob: float = Field(default=0.9, ge=0, le=1)


class PymooNSGA2(Learner):
    """NSGA-II of Deb et al. 2002, https://doi.org/10.1109/4235.996017, with pymoo's operators.

    Parents win binary tournaments by dominance, then by crowding distance. Generations are
    formed from trials in the order in which they finish: whenever as many have finished as the
    population holds, the best of these and of the survivors before survive. Until then children
    have the old survivors as parents, so that no worker waits for a generation to be complete.
    Children whose network was tried, or is tried by another worker, are made anew.

    It optimises the study's objectives; with a single one it is a genetic algorithm.

    Args:
        space: The search space.
        seed: Seed of the choice among equally crowded survivors.
        settings: Population and operators.
    """

    settings = PymooNSGA2Settings

    def __init__(self, space: SearchSpace, seed: int, settings: PymooNSGA2Settings) -> None:
        self._pool = pool_of(space)
        self._seed = seed
        self._size = settings.population_size
        options = {
            decision.name: Choice(options=list(range(len(decision.options))))
            for decision in space.decisions
        }
        self._problem = Problem(vars=options, n_obj=1)
        self._crossover = UniformCrossover(prob=settings.crossover_prob)
        self._mutation = ChoiceRandomMutation(prob_var=settings.mutation_prob)
        self._known: set[Hashable] = set()
        self._finished: list[Lesson] = []
        self._survivors: Population | None = None
        self._generations = 0

    def learn(self, lesson: Lesson) -> None:
        self._known.add(self._pool.network(lesson.choices))
        if not lesson.within_limits:
            return
        self._finished.append(lesson)
        if len(self._finished) == self._size:
            self._complete_generation()

    def draw(self, rng: np.random.Generator) -> Draw:
        return self.draw_beside((), rng)

    def draw_beside(self, running: Sequence[tuple[int, ...]], rng: np.random.Generator) -> Draw:
        known = self._known.union(map(self._pool.network, running))
        if self._survivors is None:
            return Draw(self._pool.random(known, rng))
        mating = Mating(
            TournamentSelection(func_comp=binary_tournament),
            self._crossover,
            self._mutation,
            eliminate_duplicates=_KnownNetworks(self._pool, known),
        )
        # All that the tournament asks of the algorithm it is part of.
        algorithm = SimpleNamespace(tournament_type="comp_by_dom_and_crowding", random_state=rng)
        children = mating.do(
            self._problem, self._survivors, 1, random_state=rng, algorithm=algorithm
        )
        if len(children) == 0:
            return Draw(self._pool.random(known, rng))
        return Draw(_choices(children[0].X))

    def _complete_generation(self) -> None:
        self._generations += 1
        children = Population.new(
            X=np.array([lesson.choices for lesson in self._finished]),
            F=np.array([_costs(lesson) for lesson in self._finished]),
        )
        before = self._survivors if self._survivors is not None else Population()
        self._survivors = RankAndCrowding().do(
            self._problem,
            Population.merge(before, children),
            n_survive=self._size,
            random_state=np.random.default_rng((self._seed, self._generations)),
        )
        self._finished = []


class _KnownNetworks(DuplicateElimination):
    """Removes children whose network was tried."""

    def __init__(self, pool: Pool, known: Collection[Hashable]) -> None:
        super().__init__()
        self._pool = pool
        self._known = known

    def _do(
        self, pop: Population, other: Population | None, is_duplicate: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        return np.array([self._pool.network(_choices(child.X)) in self._known for child in pop])


def _choices(values: NDArray[np.object_]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _costs(lesson: Lesson) -> tuple[float, ...]:
    quality, *costs = lesson.values or (lesson.reward,)
    return (-quality, *costs)
