"""Optuna's own samplers as controllers, as baselines: random, TPE and NSGA-II.

They optimise the study's objectives themselves and never look at the reward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from nas.controllers.controller import Controller
from nas.controllers.sampler import RewardFunction, derived_seed
from nas.settings import Settings
from search_spaces.space import SearchSpace


class RandomSettings(Settings):
    """Random search has no settings."""


class TPESettings(Settings):
    """Settings of `optuna.samplers.TPESampler`, which documents them.

    Attributes:
        n_startup_trials: Random trials before the first model.
        n_ei_candidates: Candidates drawn from the model for each trial.
        multivariate: Whether decisions are modelled together.
        constant_liar: Whether running trials count as bad, so that workers keep apart.
    """

    n_startup_trials: int = Field(default=10, ge=0)
    n_ei_candidates: int = Field(default=24, ge=1)
    multivariate: bool = True
    constant_liar: bool = True


class NSGA2Settings(Settings):
    """Settings of `optuna.samplers.NSGAIISampler`, which documents them.

    Attributes:
        population_size: Trials per generation; the first generation is random.
        mutation_prob: Probability that a decision is drawn anew; None is 1 / decisions.
        crossover_prob: Probability that a child has two parents.
        swapping_prob: Probability that a decision comes from the second parent.
    """

    population_size: int = Field(default=20, ge=2)
    mutation_prob: float | None = Field(default=None, ge=0, le=1)
    crossover_prob: float = Field(default=0.9, ge=0, le=1)
    swapping_prob: float = Field(default=0.5, ge=0, le=1)


class SeededPerTrial(BaseSampler):
    """Gives every trial an Optuna sampler of its own, seeded with (seed, trial number).

    Optuna's samplers draw from one random stream per process: with one seed, all workers and
    every restarted worker would propose the same candidates again. What these samplers know they
    read from the study, so a new one loses nothing.

    Args:
        new_sampler: Makes the sampler from a seed.
        seed: Seed of the study, not negative.

    Raises:
        ValueError: If the seed is negative.
    """

    def __init__(self, new_sampler: Callable[[int], BaseSampler], seed: int) -> None:
        if seed < 0:
            raise ValueError(f"a seed must not be negative, got {seed}")
        self._new_sampler = new_sampler
        self._seed = seed
        self._samplers: dict[int, BaseSampler] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Makes the trial's sampler."""
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the wrapped sampler."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the wrapped sampler."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As the wrapped sampler."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """As the wrapped sampler, which is then dropped."""
        self._of(trial).after_trial(study, trial, state, values)
        del self._samplers[trial.number]

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number not in self._samplers:
            seed = derived_seed(self._seed, trial.number)
            self._samplers[trial.number] = self._new_sampler(seed)
        return self._samplers[trial.number]


def _random(
    space: SearchSpace, reward: RewardFunction, seed: int, settings: RandomSettings
) -> BaseSampler:
    return SeededPerTrial(lambda trial_seed: RandomSampler(seed=trial_seed), seed)


def _tpe(
    space: SearchSpace, reward: RewardFunction, seed: int, settings: TPESettings
) -> BaseSampler:
    options = settings.model_dump()
    return SeededPerTrial(lambda trial_seed: TPESampler(seed=trial_seed, **options), seed)


def _nsga2(
    space: SearchSpace, reward: RewardFunction, seed: int, settings: NSGA2Settings
) -> BaseSampler:
    options = settings.model_dump()
    return SeededPerTrial(lambda trial_seed: NSGAIISampler(seed=trial_seed, **options), seed)


RANDOM = Controller(RandomSettings, _random)
TPE = Controller(TPESettings, _tpe)
NSGA2 = Controller(NSGA2Settings, _nsga2)
