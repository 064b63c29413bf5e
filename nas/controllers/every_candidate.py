"""Draws every candidate of a small space once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import is_candidate_failure
from search_spaces.space import SearchSpace

Candidate = tuple[Any, ...]


class EveryCandidate(BaseSampler):
    """Draws the candidates of a space one after the other, the last decision fastest.

    A candidate whose worker was lost or interrupted is drawn again, one that failed by itself or is
    beyond a limit is not. Workers that draw at the same time take different candidates: a trial
    leaves one to each earlier trial that has not drawn yet.

    Args:
        space: So small that all its candidates can be listed.
    """

    def __init__(self, space: SearchSpace):
        self._names = [decision.name for decision in space.decisions]
        self._candidates = list(itertools.product(*(d.options for d in space.decisions)))
        self._drawn: tuple[int, Candidate] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: a candidate is drawn as a whole with its first decision."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The option of a decision in the candidate of the trial."""
        if self._drawn is None or self._drawn[0] != trial.number:
            self._drawn = trial.number, self._next(study, trial)
        return self._drawn[1][self._names.index(param_name)]

    def _next(self, study: Study, trial: FrozenTrial) -> Candidate:
        taken, before = set(), 0
        for other in study.get_trials(deepcopy=False):
            if other.number == trial.number:
                continue
            is_running = other.state == TrialState.RUNNING
            is_known = other.state in (TrialState.COMPLETE, TrialState.PRUNED)
            if is_running or is_known or is_candidate_failure(other):
                candidate = tuple(other.params.get(name) for name in self._names)
                if None not in candidate:
                    taken.add(candidate)
                elif is_running and other.number < trial.number:
                    before += 1
        left = [candidate for candidate in self._candidates if candidate not in taken]
        # A surplus trial finds none left, and repeats one.
        return left[min(before, len(left) - 1)] if left else self._candidates[-1]
