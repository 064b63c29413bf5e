"""Any sampler of Optuna, kept from proposing networks that failed."""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from typing import Any, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import FailedNetworks, is_candidate_failure
from search_spaces.space import SearchSpace

_REDRAWS = 50
"""Draws in search of a candidate whose network did not fail."""


class AvoidsFailures(BaseSampler):
    """Draws again where a sampler proposes a network that failed.

    Optuna's samplers pass over failed trials, so that one with a promising candidate that always
    fails would propose it again and again. To the wrapped sampler a failed candidate is a pruned
    trial that violates a constraint, which counts as the worst there is. Without failures its
    draws are what they are without this wrapper.

    Args:
        sampler: What draws.
        space: The search space; every decision is a categorical parameter of the study.
    """

    def __init__(self, sampler: BaseSampler, space: SearchSpace) -> None:
        self._sampler = sampler
        self._space = space
        self._failed = FailedNetworks()
        self._distributions: dict[str, BaseDistribution] = {
            decision.name: CategoricalDistribution(decision.options) for decision in space.decisions
        }

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As the wrapped sampler."""
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All decisions of the space: a candidate is accepted or refused as a whole."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A candidate whose network did not fail, if the sampler finds one."""
        self._failed.look(study.get_trials(deepcopy=False))
        told = cast(Study, _WithFailures(study)) if self._failed.networks else study
        for _ in range(_REDRAWS):
            choices = self._draw(told, trial)
            if not self._has_failed(choices):
                break
        return choices

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As the wrapped sampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """As the wrapped sampler."""
        self._sampler.after_trial(study, trial, state, values)

    def _draw(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        together = self._sampler.infer_relative_search_space(study, trial)
        choices = self._sampler.sample_relative(study, trial, together)
        return {
            name: choices[name]
            if name in choices
            else self._sampler.sample_independent(study, trial, name, distribution)
            for name, distribution in self._distributions.items()
        }

    def _has_failed(self, choices: dict[str, Any]) -> bool:
        failed = self._failed.networks
        return bool(failed) and self._space.canonical_key(self._space.genotype(choices)) in failed


class _WithFailures:
    """A study whose failed candidates look like pruned trials beyond a constraint."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        # What Optuna's samplers read a study by.
        trials = self._study._get_trials(deepcopy=deepcopy, use_cache=use_cache)
        told = [_as_pruned(trial) if is_candidate_failure(trial) else trial for trial in trials]
        return [trial for trial in told if states is None or trial.state in states]


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    told = copy.copy(trial)
    told.state = TrialState.PRUNED
    told.system_attrs = dict(trial.system_attrs)
    told.set_constraint("failed", 1.0)
    return told
