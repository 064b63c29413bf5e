"""Makes space, controller and reward from what a configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from optuna.samplers import BaseSampler

import search_spaces
from nas import controllers
from nas.errors import UserError
from nas.search.config import PenaltySettings, RewardSettings, SearchConfig
from nas.search.records import reward_of
from rewards import Drop, Penalty, Reward, RewardError
from search_spaces.space import SearchSpace

MEASURED_COSTS = ("params", "macs", "flops", "latency", "memory", "energy")
"""What is known of a network that is built."""

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


def make_reward(
    settings: RewardSettings,
    of: str,
    classes: Sequence[str],
    default: Sequence[str],
    costs: Sequence[str] = MEASURED_COSTS,
) -> Reward:
    """The reward that settings describe; an automatic base that is not resolved yet counts as 1.

    Args:
        settings: What earns reward, and what lowers it.
        of: What the classes belong to, for the message.
        classes: Those that are scored.
        default: Those that earn reward unless the settings say otherwise.
        costs: Those that can be penalised.

    Raises:
        UserError: If a class or a cost is unknown.
    """
    chosen = settings.classes or default
    unknown = [name for name in chosen if name not in classes]
    if unknown:
        raise UserError(
            f"reward class {unknown[0]!r} is not a class of {of}; it has: {', '.join(classes)}."
        )
    try:
        return Reward(
            tuple(chosen),
            settings.metric,
            settings.aggregate,
            tuple(_penalty(penalty, costs) for penalty in settings.penalties),
            settings.combine,
        )
    except RewardError as error:
        raise UserError(f"reward: {error}") from error


def _penalty(settings: PenaltySettings, costs: Sequence[str]) -> Penalty:
    if settings.cost not in costs:
        raise UserError(f"no cost {settings.cost!r} to penalise; known: {', '.join(costs)}.")
    base = 1.0 if isinstance(settings.base, str) else settings.base
    floors = settings.drop
    drop = Drop(floors.cost_floor, floors.quality_floor) if floors is not None else None
    return Penalty(settings.cost, base, settings.exponent, drop)
