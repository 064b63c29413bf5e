"""A controller as the registry sees it: its settings, and how to make its sampler."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from optuna.samplers import BaseSampler
from pydantic import create_model

from nas.controllers.avoiding import AvoidsFailures
from nas.controllers.learner import Learner
from nas.controllers.retreat import Retreat
from nas.controllers.sampler import ControllerSampler, RewardFunction
from nas.controllers.seeded import SeededPerTrial
from nas.settings import Settings
from search_spaces.space import SearchSpace

_GIVEN = ("space", "reward", "seed")
"""Arguments of a sampler that every controller is handed; its other ones are its settings."""


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
    def of(cls, found: Any) -> Controller:
        """The controller that something registered stands for.

        Args:
            found: A controller; a `Learner`, which is made from space, seed and settings; or a
                sampler of Optuna, as a class or as a function that makes one. Such a sampler is
                handed those of ``space``, ``reward`` and ``seed`` that it takes. A class that takes
                a seed is made anew for each trial, as `SeededPerTrial` does; a function is called
                once.
        """
        if isinstance(found, Controller):
            return found
        if isinstance(found, type) and issubclass(found, Learner):
            return cls(found.settings, partial(_learning, found))
        return cls(_settings_of(found), partial(_sampling, found))


def complaint(found: Any) -> str | None:
    """Says what is wrong with something that is to be a controller, or None."""
    if isinstance(found, Controller) or inspect.isfunction(found):
        return None
    if not (isinstance(found, type) and issubclass(found, Learner | BaseSampler)):
        return (
            "must be a Learner, a sampler of Optuna or a function that makes one: a class, "
            "not an object"
        )
    if inspect.isabstract(found):
        return f"must define {', '.join(sorted(found.__abstractmethods__))}"
    return None


def _learning(
    learner: Callable[[SearchSpace, int, Any], Learner],
    space: SearchSpace,
    reward: RewardFunction,
    seed: int,
    settings: Settings,
) -> BaseSampler:
    def new_learner() -> Learner:
        return Retreat(learner(space, seed, settings), space)

    return ControllerSampler(space, reward, seed, new_learner)


def _sampling(
    sampler: Callable[..., BaseSampler],
    space: SearchSpace,
    reward: RewardFunction,
    seed: int,
    settings: Settings,
) -> BaseSampler:
    takes = inspect.signature(sampler).parameters
    known = {"space": space, "reward": reward, "seed": seed}
    given = {name: value for name, value in known.items() if name in takes}
    # What was left out is left to the sampler: some warn of options that are given.
    chosen = {name: getattr(settings, name) for name in settings.model_fields_set}
    if isinstance(sampler, type) and "seed" in takes:
        rest = {name: value for name, value in given.items() if name != "seed"}
        new = partial(sampler, **rest, **chosen)
        # Made once now, so that a wrong setting is told before a trial is started.
        new(seed=seed)
        seeded = SeededPerTrial(lambda trial_seed: new(seed=trial_seed), seed)
        return AvoidsFailures(seeded, space)
    return AvoidsFailures(sampler(**given, **chosen), space)


def _settings_of(sampler: Callable[..., BaseSampler]) -> type[Settings]:
    """A model of the arguments that are settings; the sampler itself checks their values."""
    fields: dict[str, Any] = {
        name: (Any, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(sampler).parameters.items()
        if name not in _GIVEN
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    return create_model("SamplerSettings", __base__=Settings, **fields)
