"""Controllers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from nas.errors import UserError, sentence
from nas.settings import Settings, validate
from open_registry import Registry, UnknownNameError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.controllers.controller import Controller
    from nas.controllers.sampler import RewardFunction
    from search_spaces.space import SearchSpace

C = TypeVar("C")

DEFAULT = "preference"
"""The controller of a search that names none."""


def _complaint(found: Any) -> str | None:
    # The command line lists the names without importing torch or Optuna.
    from nas.controllers.controller import complaint

    return complaint(found)


_CONTROLLERS: Registry[Any] = Registry(
    "controller",
    {
        "preference": "nas.controllers.preference:PreferenceSearch",
        "warm_reinforce": "nas.controllers.warm_reinforce:WarmReinforce",
        "reinforce": "nas.controllers.reinforce:REINFORCE",
        "ppo": "nas.controllers.ppo:PPO",
        "predictor": "nas.controllers.predictor:Predictor",
        "evolution": "nas.controllers.evolution:Evolution",
        "local_search": "nas.controllers.local_search:LocalSearch",
        "nsga2_pymoo": "nas.controllers.nsga2:PymooNSGA2",
        "random": "nas.controllers.optuna_samplers:RANDOM",
        "tpe": "nas.controllers.optuna_samplers:TPE",
        "gp": "nas.controllers.optuna_samplers:GP",
        "nsga2": "nas.controllers.optuna_samplers:NSGA2",
    },
    _complaint,
)

register = _CONTROLLERS.register
"""A decorator that makes a controller known by a name.

It takes a `Learner`, whose attribute ``settings`` is the model of its settings, or a sampler of
Optuna: a class, or a function that makes one from those of ``space``, ``reward`` and ``seed`` that
it takes; its other arguments are its settings.
"""


def names() -> tuple[str, ...]:
    """The built-in and registered names."""
    return _CONTROLLERS.names()


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
        name: One of `names()`, or an import path: ``package.module:Name`` or
            ``path/to/file.py:Name`` of a `Learner` or a sampler of Optuna.
        space: The search space; every decision is a categorical parameter of the study.
        reward: Reward of a finished trial from its record, or None if there is none. Optuna's
            own samplers (random, tpe, gp, nsga2), preference and nsga2_pymoo use the study's
            objectives instead; the last two pass over trials without a finite reward all the same.
        seed: Seed of the study, not negative.
        **settings: Settings of that controller.

    Raises:
        UserError: If the name or a setting is unknown, or a value (the seed's, too) is wrong.
    """
    values = resolve(name, **settings)
    if seed < 0:
        raise UserError(f"the seed must not be negative, but is {seed}.")
    try:
        return _find(name).create(space, reward, seed, values)
    except (ValueError, TypeError) as error:
        raise UserError(f"controller {name}: {sentence(str(error))}") from error


def address(name: Any) -> str:
    """What `create` takes for the same controller in another process, started in any folder.

    Args:
        name: A name, an import path, or the class or function itself.

    Returns:
        The name of a built-in controller; an import path, with the absolute path of its file, of
        others; the name of one that was defined in a notebook, which `is_importable` tells.

    Raises:
        UserError: If there is no such controller.
    """
    try:
        return _CONTROLLERS.address(name)
    except UnknownNameError as error:
        raise UserError(str(error)) from error


def is_importable(name: Any) -> bool:
    """Whether other processes can create the controller by its `address`.

    Raises:
        UserError: If there is no such controller.
    """
    try:
        return _CONTROLLERS.is_importable(name)
    except UnknownNameError as error:
        raise UserError(str(error)) from error


def _find(name: str) -> Controller:
    from nas.controllers.controller import Controller

    try:
        return Controller.of(_CONTROLLERS.get(name))
    except UnknownNameError as error:
        raise UserError(str(error)) from error
