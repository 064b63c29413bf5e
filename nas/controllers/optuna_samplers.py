"""Optuna's own samplers as controllers, as baselines: random, TPE, a Gaussian process and NSGA-II.

They optimise the study's objectives themselves and never look at the reward.
"""

from __future__ import annotations

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from pydantic import Field

from nas.controllers.avoiding import AvoidsFailures
from nas.controllers.controller import Controller
from nas.controllers.sampler import RewardFunction
from nas.controllers.seeded import SeededPerTrial
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


class GPSettings(Settings):
    """Settings of `optuna.samplers.GPSampler`, which documents them.

    Attributes:
        n_startup_trials: Random trials before the first model.
        deterministic_objective: Whether the model takes scores to be free of noise.
    """

    n_startup_trials: int = Field(default=10, ge=1)
    deterministic_objective: bool = False


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


def _random(
    space: SearchSpace, reward: RewardFunction, seed: int, settings: RandomSettings
) -> BaseSampler:
    return AvoidsFailures(
        SeededPerTrial(lambda trial_seed: RandomSampler(seed=trial_seed), seed), space
    )


def _tpe(
    space: SearchSpace, reward: RewardFunction, seed: int, settings: TPESettings
) -> BaseSampler:
    options = settings.model_dump()
    seeded = SeededPerTrial(lambda trial_seed: TPESampler(seed=trial_seed, **options), seed)
    return AvoidsFailures(seeded, space)


def _gp(space: SearchSpace, reward: RewardFunction, seed: int, settings: GPSettings) -> BaseSampler:
    options = settings.model_dump()
    seeded = SeededPerTrial(lambda trial_seed: GPSampler(seed=trial_seed, **options), seed)
    return AvoidsFailures(seeded, space)


def _nsga2(
    space: SearchSpace, reward: RewardFunction, seed: int, settings: NSGA2Settings
) -> BaseSampler:
    options = settings.model_dump()
    seeded = SeededPerTrial(lambda trial_seed: NSGAIISampler(seed=trial_seed, **options), seed)
    return AvoidsFailures(seeded, space)


RANDOM = Controller(RandomSettings, _random)
TPE = Controller(TPESettings, _tpe)
GP = Controller(GPSettings, _gp)
NSGA2 = Controller(NSGA2Settings, _nsga2)
