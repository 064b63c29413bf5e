"""The parts that a search is put together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.samplers import BaseSampler

from nas.evaluation.evaluation import Decide, EvaluationError, go_on
from nas.search.config import PromotionSettings, SearchConfig
from nas.search.run_folder import RunFolder
from rewards import Reward
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace


class Evaluated(Protocol):
    """The outcome of one evaluation, as `nas.evaluation` gives it."""

    def to_record(self) -> dict[str, Any]:
        """Returns scores, macro, groups, costs, curves, seconds, details, rung and stopped."""


class CandidateEvaluator(Protocol):
    """Genotype in, quality and costs out."""

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluated:
        """Trains and scores one candidate; raises rather than scoring a failure."""


KnownCosts = Callable[[Genotype], Mapping[str, float]]
"""Costs of a candidate that are known before it is trained, by name."""
Confirm = Callable[[Genotype, dict[str, Any]], dict[str, Any]]
"""Measures what was predicted of a trained candidate, and gives its record with that in it."""


@dataclass(frozen=True)
class Parts:
    """What one worker needs to evaluate candidates.

    Args:
        space: What can be built.
        reward: How good a candidate is.
        controller: What draws the next candidate.
        evaluator: What trains and scores it.
        promotion: When a candidate's training is cut short, or None.
        known_costs: What is held against the limits of the search before a candidate is trained;
            None goes with no limits. It raises as the evaluator does.
        confirm: Called for a trained candidate that would be on the front of the search, before
            its values count; None where nothing was predicted.
        failures: Exceptions of the evaluator that fail the candidate. Every other one is a
            defect, which ends the worker.
    """

    space: SearchSpace
    reward: Reward
    controller: BaseSampler
    evaluator: CandidateEvaluator
    promotion: PromotionSettings | None = None
    known_costs: KnownCosts | None = None
    confirm: Confirm | None = None
    failures: tuple[type[Exception], ...] = (EvaluationError, RuntimeError, MemoryError)


class Assembly(Protocol):
    """What turns a configuration into parts."""

    def space(self, config: SearchConfig) -> SearchSpace:
        """Returns the search space."""

    def reward(self, config: SearchConfig) -> Reward:
        """Returns the reward; an automatic base that is not resolved yet counts as 1.

        Raises:
            UserError: If a class, a metric or a cost is unknown.
        """

    def check(self, config: SearchConfig) -> None:
        """Refuses what can be seen to be wrong before a run folder is made.

        Raises:
            UserError: If the data or a setting is wrong.
        """

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        """Does what is done once for a run, and returns the resolved configuration.

        Trains or loads the teacher, replaces automatic bases by numbers. It is
        called again when a search resumes, and then finds its results in the run's cache.
        """

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Returns the parts of one worker on a device such as "cpu" or "cuda:0"."""
