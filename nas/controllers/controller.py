"""A controller as the registry sees it: its settings, and how to make its sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from optuna.samplers import BaseSampler

from nas.controllers.learner import Learner
from nas.controllers.retreat import Retreat
from nas.controllers.sampler import ControllerSampler, RewardFunction
from nas.settings import Settings
from search_spaces.space import SearchSpace

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Controller:
    """A kind of controller.

    Args:
        settings: The model that its settings must satisfy.
        create: Makes the sampler from the space, the reward, the seed and the settings.
    """

    settings: type[Settings]
    create: Callable[[SearchSpace, RewardFunction, int, Any], BaseSampler]

    @classmethod
    def of_learner(
        cls, settings: type[S], learner: Callable[[SearchSpace, int, S], Learner]
    ) -> Controller:
        """The controller whose learner is made from the space, the seed and the settings."""

        def create(space: SearchSpace, reward: RewardFunction, seed: int, values: S) -> BaseSampler:
            def new_learner() -> Learner:
                return Retreat(learner(space, seed, values), space)

            return ControllerSampler(space, reward, seed, new_learner)

        return cls(settings, create)
