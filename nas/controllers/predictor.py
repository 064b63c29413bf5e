"""Predictor-guided search."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable

import numpy as np
from pydantic import Field
from scipy.special import ndtri
from scipy.stats import rankdata

from nas.controllers.learner import Draw, Learner, Lesson
from nas.controllers.pool import Pool, pool_of
from nas.controllers.spread import spread
from nas.controllers.surrogate import Ensemble, Values
from nas.controllers.tried import Tried
from nas.settings import Settings
from search_spaces.space import SearchSpace

_PARENTS = 10
"""Best networks whose neighbours are rated."""

_FINALISTS = 100
"""Rated candidates among which a function drawn from the posterior decides."""

# The model is fitted anew with every trial up to the first number, and then whenever trials have
# grown by this share: what one trial in thousands adds is not worth the time of a fit.
_FITTED_ALWAYS = 150
_GROWTH = 0.02


class PredictorSettings(Settings):
    """Settings of predictor-guided search.

    Attributes:
        startup: Number of random trials before the first model.
        fitted: Largest number of networks that the model is fitted to; time is cubic in it.
    """

    startup: int = Field(default=20, ge=2)
    fitted: int = Field(default=200, ge=2)


class Predictor(Learner):
    """Tries what a model of the rewards holds for the best, with chance where it is not sure.

    The model is an ensemble of Gaussian processes over decisions, operations and paths, fitted
    anew as trials finish. It learns the ranks of the rewards, so that their scale
    does not matter, nor how bad the bad ones are. Candidates are chosen by Thompson sampling: a
    function is drawn from the posterior and its best candidate proposed. Hence what is uncertain
    is explored, and workers that know the same trials propose different candidates. A network
    that was tried is not proposed again while there are others.

    White et al. 2019, https://arxiv.org/abs/1910.11858 (predictor-guided search, paths);
    Thompson 1933; Russo et al. 2017, https://arxiv.org/abs/1707.02038 (Thompson sampling).

    Args:
        space: The search space.
        seed: Not used: a draw's generator is all the randomness there is.
        settings: Random trials and size of the model.
    """

    settings = PredictorSettings

    def __init__(self, space: SearchSpace, seed: int, settings: PredictorSettings) -> None:
        self._pool = pool_of(space)
        self._settings = settings
        self._lessons: list[tuple[Hashable, Lesson]] = []
        self._tried = Tried()
        self._model: Ensemble | None = None
        self._start = 0

    def __deepcopy__(self, memo: dict[int, object]) -> Predictor:
        # Neither a lesson nor a fitted model ever changes.
        other = copy.copy(self)
        other._lessons = list(self._lessons)
        other._tried = copy.deepcopy(self._tried)
        return other

    def learn(self, lesson: Lesson) -> None:
        network = self._pool.network(lesson.choices)
        self._lessons.append((network, lesson))
        self._tried.add(network, lesson)

    def draw(self, rng: np.random.Generator) -> Draw:
        known = self._tried.networks
        if len(self._lessons) < self._settings.startup:
            return Draw(self._pool.random(known, rng))
        model = self._caught_up()
        parents = self._tried.choices(self._tried.ranked()[:_PARENTS])
        candidates = self._pool.propose(parents, known, rng)
        features = self._pool.features(candidates)
        mean, std = model.predict(features)
        finalists = np.argsort(-(mean + 2 * std), kind="stable")[:_FINALISTS]
        values = model.sample(features[finalists], rng)
        ranked = candidates[finalists[np.argsort(-values, kind="stable")]]
        return Draw(self._pool.first_fresh(ranked.tolist(), known))

    def _caught_up(self) -> Ensemble:
        start = model_start(len(self._lessons))
        if self._model is None or self._start != start:
            # From the lessons up to there: a worker that was restarted has to get the same model.
            tried = Tried()
            for network, lesson in self._lessons[:start]:
                tried.add(network, lesson)
            self._model = fitted_model(self._pool, tried, self._settings.fitted)
            self._start = start
        return self._model


def model_start(count: int) -> int:
    """From how many of `count` trials the model is made."""
    if count <= _FITTED_ALWAYS:
        return count
    start = following = _FITTED_ALWAYS
    while following <= count:
        start = following
        following += math.ceil(_GROWTH * start)
    return start


def fitted_model(pool: Pool, tried: Tried, most: int) -> Ensemble:
    """A model of the ranks of the rewards, as quantiles of the standard normal distribution.

    Args:
        pool: What gives the features.
        tried: The networks and their rewards, at least one.
        most: Largest number of networks that the model is fitted to: the best ones, and as many
            of the others.
    """
    some = spread(tried.ranked(), most)
    model = Ensemble(pool.blocks)
    model.fit(pool.features(tried.choices(some)), normal_scores(tried.rewards)[some])
    return model


def normal_scores(values: Values) -> Values:
    """The ranks of values as quantiles of the standard normal distribution; equals stay equal."""
    scores: Values = ndtri((rankdata(values) - 0.5) / len(values))
    return scores
