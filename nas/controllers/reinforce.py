"""REINFORCE."""

from __future__ import annotations

import torch
from pydantic import Field

from nas.controllers.learner import Lesson
from nas.controllers.policy import PolicyName
from nas.controllers.policy_gradient import PolicyGradient, PolicyGradientSettings

# By policy. Chosen on synthetic rewards over the 20 decisions of FastNAS, 300 trials: an LSTM
# with 1e-4 learns next to nothing, with 0.01 it is faster at first and ends no better.
_LEARNING_RATES: dict[PolicyName, float] = {"lstm": 0.005, "independent": 0.2}
_ENTROPY_WEIGHTS: dict[PolicyName, float] = {"lstm": 0.01, "independent": 0.06}


class REINFORCESettings(PolicyGradientSettings):
    """Settings of REINFORCE.

    FastNAS has policy `lstm`, learning_rate 1e-4, advantage `raw` and entropy_weight 0; at that
    rate next to nothing is learned in 300 trials. Without a value, learning_rate and
    entropy_weight are 0.2 and 0.06 for the policy `independent`, 0.005 and 0.01 for `lstm`.
    """

    policy: PolicyName = "independent"
    learning_rate: float = Field(
        default_factory=lambda values: _LEARNING_RATES[values["policy"]],
        gt=0,
        allow_inf_nan=False,
    )
    entropy_weight: float = Field(
        default_factory=lambda values: _ENTROPY_WEIGHTS[values["policy"]],
        ge=0,
        allow_inf_nan=False,
    )


class REINFORCE(PolicyGradient):
    """REINFORCE with a moving-average baseline: one step per finished trial.

    Williams 1992, https://doi.org/10.1007/BF00992696; for architecture search Zoph and Le 2017,
    https://arxiv.org/abs/1611.01578. With several workers, trials were drawn by a policy a few
    steps old; REINFORCE does not correct for this, PPO does.
    """

    settings = REINFORCESettings

    def learn(self, lesson: Lesson) -> None:
        advantage = self._baseline.advantage(lesson.reward)
        log_prob, entropy = self._policy.score(torch.tensor([lesson.choices]))
        self._descend(-advantage * log_prob.mean(), entropy.mean())
