"""REINFORCE that also learns from rewards that a model imagines."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from nas.controllers.learner import Draw, Lesson
from nas.controllers.policy import PolicyName
from nas.controllers.pool import pool_of
from nas.controllers.predictor import fitted_model
from nas.controllers.reinforce import REINFORCE, REINFORCESettings
from nas.controllers.tried import Tried
from search_spaces.space import SearchSpace

_BATCH = 16
"""Imagined candidates per gradient step."""

_DRAWS = 20
"""Draws from the policy in search of a network that was not tried."""

_FITTED = 200
"""Largest number of networks that the model is fitted to."""

_ENTROPY_WEIGHTS: dict[PolicyName, float] = {"lstm": 0.1, "independent": 0.3}


class WarmReinforceSettings(REINFORCESettings):
    """Settings of REINFORCE with imagined rewards.

    Without a value, entropy_weight is 0.3 for the policy `independent` and 0.1 for `lstm`: higher
    than in REINFORCE, for imagined rewards are many, and would soon leave one candidate alone.

    Attributes:
        startup: Number of trials before the model; the policy learns nothing from them directly.
        interval: Number of finished trials from one imagining to the next.
        imagined: Number of candidates whose rewards are imagined each time.
    """

    entropy_weight: float = Field(
        default_factory=lambda values: _ENTROPY_WEIGHTS[values["policy"]],
        ge=0,
        allow_inf_nan=False,
    )
    startup: int = Field(default=20, ge=2)
    interval: int = Field(default=10, ge=1)
    imagined: int = Field(default=240, ge=_BATCH)


class WarmReinforce(REINFORCE):
    """REINFORCE whose policy is first trained on a model, and now and then again.

    After some random trials, the model of predictor-guided search is fitted to them. The policy
    is trained on candidates of its own whose rewards the model predicts, which costs no trial.
    Then it goes on with real rewards, as REINFORCE does, and at intervals with the predictions
    of a model that knows more (Dyna, Sutton 1991, https://doi.org/10.1145/122344.122377).
    Networks that were tried are drawn again only if the policy knows hardly any others.

    Args:
        space: The search space.
        seed: Seed of the policy's initial parameters and of the imagined candidates.
        settings: Policy, baseline, optimiser and model.
    """

    settings = WarmReinforceSettings

    def __init__(self, space: SearchSpace, seed: int, settings: WarmReinforceSettings) -> None:
        super().__init__(space, seed, settings)
        self._pool = pool_of(space)
        self._seed = seed
        self._startup = settings.startup
        self._interval = settings.interval
        self._steps = settings.imagined // _BATCH
        self._tried = Tried()
        self._lessons = 0

    def learn(self, lesson: Lesson) -> None:
        self._tried.add(self._pool.network(lesson.choices), lesson)
        self._lessons += 1
        if self._lessons > self._startup:
            super().learn(lesson)
        else:
            self._baseline.advantage(lesson.reward)
        since = self._lessons - self._startup
        if since >= 0 and since % self._interval == 0:
            self._imagine()

    def draw(self, rng: np.random.Generator) -> Draw:
        draws = (self._policy.sample(rng) for _ in range(_DRAWS))
        known = self._tried.networks
        for draw in draws:
            if self._pool.network(draw.choices) not in known:
                break
        return draw

    def _imagine(self) -> None:
        rng = np.random.default_rng((self._seed, self._lessons))
        model = fitted_model(self._pool, self._tried, _FITTED)
        for _ in range(self._steps):
            choices = np.array([self._policy.sample(rng).choices for _ in range(_BATCH)])
            rewards, _ = model.predict(self._pool.features(choices))
            advantages = (rewards - rewards.mean()) / (float(rewards.std()) or 1.0)
            log_probs, entropy = self._policy.score(torch.from_numpy(choices))
            loss = -(torch.from_numpy(advantages) * log_probs).mean()
            self._descend(loss, entropy.mean())
