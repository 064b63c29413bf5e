"""Any sampler of Optuna, seeded so that workers may share a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.sampler import derived_seed


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
