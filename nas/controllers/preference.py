"""Search for the whole front at once, by a random preference among the objectives per trial."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from nas.controllers.learner import Draw, Learner, Lesson
from nas.controllers.pool import pool_of
from nas.controllers.shortlist import shortlist_of
from nas.settings import Settings
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from nas.controllers.front_model import FrontModel

# A new model, with new kernels and candidates, whenever trials have grown by this share, by 3 at
# least and by 50 at most; between, trials are added to the model, which takes far less time.
_GROWTH = 0.12
_FEWEST_ADDED = 3
_MOST_ADDED = 50

# What a candidate beyond a limit counts as: this quantile of the gains within. With the worst
# gains, the model would shy at all that is close to the limit, where the best often are; with
# better ones, it would not mind being beyond.
_BEYOND = 0.25

# A model that has seen the neighbourhood of a mediocre network alone may be sure that nothing is
# better. Where it promises less than this share of what the best has gained, so many of the
# candidates are random ones.
_HARDLY_ANY = 1e-3
_ELSEWHERE = 0.5


class PreferenceSettings(Settings):
    """Settings of the preference-conditioned search.

    Attributes:
        startup: Different networks within the limits tried at random before the first model.
        preferences: Random preferences per trial; that which promises the largest improvement is
            taken. With 1 they are uniform, and workers differ most.
        fitted: Largest number of trials that a new model is fitted to; time is cubic in it.
    """

    startup: int = Field(default=10, ge=2)
    preferences: int = Field(default=8, ge=1)
    fitted: int = Field(default=400, ge=2)


class PreferenceSearch(Learner):
    """Asks models of the objectives which candidate improves most on what a preference has.

    A preference is a direction in the space of objectives: how much gain in one is worth how much
    in another. Its best candidate is the one whose box of gains, measured from the worst quality
    seen and from beyond the largest costs, reaches farthest in that direction; averaged over all
    preferences, this measures the hypervolume of the front (Zhang and Golovin 2020,
    https://arxiv.org/abs/2006.04655). For a
    trial, some preferences are drawn at random, and the candidate with the largest expected
    improvement for one of them is proposed (random scalarisations, Paria et al. 2019,
    https://arxiv.org/abs/1805.12168; Knowles 2006, https://doi.org/10.1109/TEVC.2005.851274).

    Every objective has a Gaussian process of its own, which learns from all trials, whatever the
    preference they were drawn for: so one search serves all preferences, and nothing about a draw
    needs to be recorded. The rewards are not looked at. With a single objective it is a search by
    expected improvement. A network that was tried, or that another worker tries, is not proposed
    again while there are others. Candidates beyond a limit of the search are mediocre to the
    models, whatever their costs. Where the models promise hardly any improvement, every other
    candidate is a random one, as in SMAC (Hutter et al. 2011,
    https://doi.org/10.1007/978-3-642-25566-3_40).

    Args:
        space: The search space.
        seed: Seed of the choice of candidates for a model.
        settings: Random trials, preferences and size of the models.
    """

    settings = PreferenceSettings

    def __init__(self, space: SearchSpace, seed: int, settings: PreferenceSettings) -> None:
        self._space = space
        self._pool = pool_of(space)
        self._seed = seed
        self._settings = settings
        self._choices: list[tuple[int, ...]] = []
        self._gains: list[tuple[float, ...]] = []
        self._within: list[tuple[float, ...]] = []
        self._known: set[Hashable] = set()
        self._model: FrontModel | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> PreferenceSearch:
        # What was learned of a trial never changes, and the model follows from it.
        other = copy.copy(self)
        other._choices = list(self._choices)
        other._gains = list(self._gains)
        other._within = list(self._within)
        other._known = set(self._known)
        other._model = None
        return other

    def learn(self, lesson: Lesson) -> None:
        network = self._pool.network(lesson.choices)
        if network in self._known:
            return
        self._known.add(network)
        if lesson.within_limits:
            quality, *costs = lesson.values or (lesson.reward,)
            self._within.append((quality, *(-cost for cost in costs)))
            gains = self._within[-1]
        elif self._within:
            gains = tuple(np.quantile(np.array(self._within), _BEYOND, axis=0).tolist())
        else:
            return
        self._choices.append(lesson.choices)
        self._gains.append(gains)

    def draw(self, rng: np.random.Generator) -> Draw:
        return self.draw_beside((), rng)

    def draw_beside(self, running: Sequence[tuple[int, ...]], rng: np.random.Generator) -> Draw:
        known = self._known.union(map(self._pool.network, running))
        if len(self._within) < self._settings.startup:
            return Draw(self._pool.random(known, rng))
        ranked, improvement = self._caught_up().ranked(self._settings.preferences, rng)
        if improvement < _HARDLY_ANY and rng.random() < _ELSEWHERE:
            return Draw(self._pool.random(known, rng))
        return Draw(self._pool.first_fresh(ranked.tolist(), known))

    def _caught_up(self) -> FrontModel:
        start = model_start(len(self._choices), self._settings.startup)
        if self._model is None or self._model.start != start:
            self._model = self._new_model(start)
        # One by one and in order, so that a worker that was restarted gets the same numbers.
        for place in range(self._model.count, len(self._choices)):
            self._model.add(self._choices[place], self._gains[place])
        return self._model

    def _new_model(self, start: int) -> FrontModel:
        # It takes SciPy, which a command that only reads the settings of a run can do without.
        from nas.controllers.front_model import FrontModel

        return FrontModel(
            shortlist_of(self._space),
            np.array(self._choices[:start], dtype=np.int64),
            np.array(self._gains[:start]),
            self._settings.fitted,
            np.random.default_rng((self._seed, start)),
        )


def model_start(count: int, startup: int) -> int:
    """From how many of `count` trials the model is made; the others are added to it."""
    start = following = startup
    while following <= count:
        start = following
        added = math.ceil(_GROWTH * start)
        following += min(max(added, _FEWEST_ADDED), _MOST_ADDED)
    return start
