"""Makes space and controller from what a configuration says."""

from __future__ import annotations

from typing import TypeVar

from optuna.samplers import BaseSampler

import search_spaces
from nas import controllers
from nas.errors import UserError
from nas.search.config import SearchConfig
from nas.search.reward import MEASURED_COSTS, make_reward, reward_of
from rewards import Reward
from search_spaces.space import SearchSpace

__all__ = ["MEASURED_COSTS", "make_controller", "make_reward", "make_space", "of_kind"]

C = TypeVar("C", bound=SearchConfig)


def of_kind(config: SearchConfig, kind: type[C]) -> C:
    """The same configuration, which has to be of a kind.

    Raises:
        TypeError: If it is not: the wrong assembly was asked.
    """
    if not isinstance(config, kind):
        raise TypeError(f"a {kind.__name__} is needed here, and this is {type(config).__name__}")
    return config


def make_space(config: SearchConfig) -> SearchSpace:
    """The search space of a configuration.

    Raises:
        UserError: If its name or an option is wrong.
    """
    try:
        return search_spaces.create(config.space.name, **config.space.options)
    except (ValueError, TypeError) as error:
        raise UserError(f"space {config.space.name!r}: {error}") from error


def make_controller(config: SearchConfig, space: SearchSpace, reward: Reward) -> BaseSampler:
    """The controller of a configuration.

    Raises:
        UserError: If its name or a setting is wrong.
    """
    name, settings = config.controller.name, config.controller.settings
    return controllers.create(name, space, reward_of(reward), config.seed, **settings)
