"""Controllers by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nas.errors import UserError
from nas.settings import Settings, validate

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.controllers.controller import Controller
    from nas.controllers.sampler import RewardFunction
    from search_spaces.space import SearchSpace

# Modules by name, not imports: the command line lists the names without importing torch.
_CONTROLLERS = {
    "reinforce": ("nas.controllers.reinforce", "CONTROLLER"),
    "ppo": ("nas.controllers.ppo", "CONTROLLER"),
    "evolution": ("nas.controllers.evolution", "CONTROLLER"),
    "predictor": ("nas.controllers.predictor", "CONTROLLER"),
    "local_search": ("nas.controllers.local_search", "CONTROLLER"),
    "warm_reinforce": ("nas.controllers.warm_reinforce", "CONTROLLER"),
    "preference": ("nas.controllers.preference", "CONTROLLER"),
    "nsga2_pymoo": ("nas.controllers.nsga2", "CONTROLLER"),
    "random": ("nas.controllers.optuna_samplers", "RANDOM"),
    "tpe": ("nas.controllers.optuna_samplers", "TPE"),
    "nsga2": ("nas.controllers.optuna_samplers", "NSGA2"),
}


def names() -> tuple[str, ...]:
    """The names that `create` knows."""
    return tuple(_CONTROLLERS)


def resolve(name: str, **settings: Any) -> Settings:
    """All settings of a controller: those given, checked, and the defaults of the others.

    Raises:
        UserError: If the name or a setting is unknown, or a setting has a wrong value.
    """
    return validate(_find(name).settings, settings, f"controller {name}")


def create(
    name: str, space: SearchSpace, reward: RewardFunction, seed: int, **settings: Any
) -> BaseSampler:
    """Makes a controller.

    Any number of workers may each create it with the same arguments: proposals are seeded with
    the seed and the trial's number, so workers differ and a restarted worker repeats nothing.

    Args:
        name: One of `names()`.
        space: The search space; every decision is a categorical parameter of the study.
        reward: Reward of a finished trial from its record, or None if there is none. Optuna's
            own samplers (random, tpe, nsga2), preference and nsga2_pymoo use the study's objectives
            instead; the last two pass over trials without a finite reward all the same.
        seed: Seed of the study, not negative.
        **settings: Settings of that controller.

    Raises:
        UserError: If the name or a setting is unknown, or a value (the seed's, too) is wrong.
    """
    values = resolve(name, **settings)
    if seed < 0:
        raise UserError(f"the seed must not be negative, but is {seed}.")
    return _find(name).create(space, reward, seed, values)


def _find(name: str) -> Controller:
    if name not in _CONTROLLERS:
        raise UserError(f"unknown controller {name!r}; choose one of {', '.join(names())}.")
    module, attribute = _CONTROLLERS[name]
    controller: Controller = getattr(import_module(module), attribute)
    return controller
