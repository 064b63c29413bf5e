"""Proximal policy optimisation."""

from __future__ import annotations

from collections import deque

import torch
from pydantic import Field
from torch import Tensor

from nas.controllers.learner import Lesson
from nas.controllers.policy import PolicyName
from nas.controllers.policy_gradient import PolicyGradient, PolicyGradientSettings
from search_spaces.space import SearchSpace

# By policy. Chosen on synthetic rewards over the 20 decisions of FastNAS, 300 trials: an LSTM
# with 1e-4 learns next to nothing.
_LEARNING_RATES: dict[PolicyName, float] = {"lstm": 0.01, "independent": 0.2}


class PPOSettings(PolicyGradientSettings):
    """Settings of PPO.

    FastNAS has learning_rate 1e-4, advantage `raw`, entropy_weight 0, buffer 100, interval 1 and
    epochs 1; with these next to nothing is learned in 300 trials. Without a value,
    learning_rate is 0.01 for the policy `lstm` and 0.2 for `independent`.

    Attributes:
        clip: How far from 1 the ratio of probabilities may move with profit.
        buffer: Number of trials, the newest, that an update looks at.
        interval: Number of finished trials from one update to the next.
        epochs: Gradient steps per update.
    """

    learning_rate: float = Field(
        default_factory=lambda values: _LEARNING_RATES[values["policy"]],
        gt=0,
        allow_inf_nan=False,
    )
    clip: float = Field(default=0.1, gt=0, lt=1)
    buffer: int = Field(default=8, ge=1)
    interval: int = Field(default=8, ge=1)
    epochs: int = Field(default=4, ge=1)


class PPO(PolicyGradient):
    """PPO with the clipped surrogate and a moving-average baseline.

    Schulman et al. 2017, https://arxiv.org/abs/1707.06347. After every `interval` finished
    trials, the newest `buffer` of them, fewer at first, are evaluated in one batch per epoch. The
    ratio is that of a candidate's probability now to the one recorded when it was drawn, so
    trials that other workers drew with an older policy count as they should. A trial without a
    recorded probability has ratio 1 at the start of each update: it counts as if drawn just now.

    Args:
        space: The search space.
        seed: Seed of the policy's initial parameters.
        settings: Policy, baseline, optimiser, clip and buffer.
    """

    settings = PPOSettings

    def __init__(self, space: SearchSpace, seed: int, settings: PPOSettings) -> None:
        super().__init__(space, seed, settings)
        self._clip = settings.clip
        self._interval = settings.interval
        self._epochs = settings.epochs
        self._buffer: deque[tuple[Lesson, float]] = deque(maxlen=settings.buffer)
        self._count = 0

    def learn(self, lesson: Lesson) -> None:
        self._buffer.append((lesson, self._baseline.advantage(lesson.reward)))
        self._count += 1
        if self._count % self._interval == 0:
            self._update()

    def _update(self) -> None:
        choices = torch.tensor([lesson.choices for lesson, _ in self._buffer])
        advantages = torch.tensor([advantage for _, advantage in self._buffer])
        old = self._old_log_probs(choices)
        for _ in range(self._epochs):
            log_probs, entropy = self._policy.score(choices)
            loss = clipped_loss(log_probs, old, advantages, self._clip)
            self._descend(loss, entropy.mean())

    def _old_log_probs(self, choices: Tensor) -> Tensor:
        with torch.no_grad():
            current, _ = self._policy.score(choices)
        recorded = [lesson.log_prob for lesson, _ in self._buffer]
        known = torch.tensor([value is not None for value in recorded])
        values = torch.tensor([0.0 if value is None else value for value in recorded])
        return torch.where(known, values, current)


def clipped_loss(log_probs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The clipped surrogate of PPO, negated.

    Args:
        log_probs: Log-probabilities under the current policy, shape (candidates,).
        old: The same under the policy that drew the candidates, shape (candidates,).
        advantages: Shape (candidates,).
        clip: How far from 1 the ratio of probabilities may move with profit.
    """
    ratio = (log_probs - old).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()
