"""What REINFORCE and PPO have in common."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from nas.controllers.learner import Draw, Learner
from nas.controllers.policy import PolicyName, create_policy
from nas.settings import Settings
from search_spaces.space import SearchSpace

AdvantageName = Literal["raw", "standardised"]


class PolicyGradientSettings(Settings):
    """Settings of both policy gradient controllers.

    The defaults were chosen for 100 to 300 trials.

    Attributes:
        policy: `lstm` makes each decision given those before; `independent` makes each on its
            own, has 1 parameter per option and learns from fewer trials.
        learning_rate: Step of Adam; the default depends on the policy.
        baseline_decay: Weight of the past in the moving average of the reward.
        advantage: `raw` is the reward less the baseline; `standardised` divides this by the
            moving standard deviation of the reward.
        entropy_weight: Weight of the entropy of a candidate, in nats, which keeps the policy from
            settling too early.
        gradient_clip: Largest norm of the gradient.
    """

    policy: PolicyName = "lstm"
    learning_rate: float = Field(default=0.01, gt=0, allow_inf_nan=False)
    baseline_decay: float = Field(default=0.95, ge=0, lt=1)
    advantage: AdvantageName = "standardised"
    entropy_weight: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    gradient_clip: float = Field(default=2.0, gt=0)


class Baseline:
    """Exponential moving average of the reward, and of its squared distance from it.

    Args:
        decay: Weight of the past, in [0, 1).
        advantage: `raw` is the reward less the baseline, as in the paper; `standardised` divides
            this by the moving standard deviation, so that settings do not depend on the scale of
            the reward.
    """

    def __init__(self, decay: float, advantage: AdvantageName) -> None:
        self._decay = decay
        self._advantage = advantage
        self._mean = 0.0
        self._variance = 0.0
        self._count = 0

    def advantage(self, reward: float) -> float:
        """How much better than expected a reward is; then the expectation takes it in.

        The first reward sets the baseline, and its advantage is 0.
        """
        self._count += 1
        # A plain average until there are as many rewards as the moving average remembers:
        # otherwise the first reward would weigh too much.
        rate = max(1 / self._count, 1 - self._decay)
        difference = reward - self._mean if self._count > 1 else 0.0
        self._variance += rate * (difference**2 - self._variance)
        self._mean += rate * (reward - self._mean)
        if self._advantage == "raw" or difference == 0:
            return difference
        return difference / math.sqrt(self._variance)


class PolicyGradient(Learner):
    """A learner that follows the gradient of a policy, with Adam.

    Args:
        space: The search space.
        seed: Seed of the policy's initial parameters.
        settings: Policy, baseline and optimiser.
    """

    def __init__(self, space: SearchSpace, seed: int, settings: PolicyGradientSettings) -> None:
        self._policy = create_policy(settings.policy, space.decisions, seed)
        self._baseline = Baseline(settings.baseline_decay, settings.advantage)
        self._optimizer = torch.optim.Adam(self._policy.parameters(), settings.learning_rate)
        self._gradient_clip = settings.gradient_clip
        self._entropy_weight = settings.entropy_weight

    def draw(self, rng: np.random.Generator) -> Draw:
        return self._policy.sample(rng)

    def _descend(self, loss: Tensor, entropy: Tensor) -> None:
        self._optimizer.zero_grad()
        (loss - self._entropy_weight * entropy).backward()
        nn.utils.clip_grad_norm_(self._policy.parameters(), self._gradient_clip)
        self._optimizer.step()
