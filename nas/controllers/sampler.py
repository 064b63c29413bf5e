"""The Optuna sampler that every controller of ours is."""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.encodings import genotype_of
from nas.controllers.failures import FailedNetworks, is_candidate_failure
from nas.controllers.finished import FinishedTrials
from nas.controllers.history import History
from nas.controllers.learner import Draw, Learner, Lesson
from search_spaces.space import SearchSpace

DRAW_KEY = "nas:draw"
"""System attribute of a trial: the choices that were drawn and their log-probability."""

BEYOND = "beyond"
"""User attribute of a trial whose candidate is beyond limits of the search: ``limit`` and larger
``value`` by cost."""

RewardFunction = Callable[[FrozenTrial], float | None]


_TELLING = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_FAILED_EXCESS = 1.0
"""A candidate that fails is as useless as one of e times the cost that is allowed."""
_REDRAWS = 50
"""Draws from a learner in search of a candidate whose network did not fail."""


class ControllerSampler(BaseSampler):
    """Lets a `Learner` choose the decisions of each trial.

    Before each draw, the complete trials that were not seen yet are learned from, in completion
    order. The draw is seeded with (seed, trial number). So the proposal for a trial depends on
    the study's record alone, which shows the candidates of running trials, too: a restarted
    worker proposes what a long-lived one would have, and workers need to share nothing but the
    storage. A study may have any number of objectives.

    A candidate beyond a limit of the search, pruned or not, is a lesson with reward 0, and so is
    one that failed; a network that failed is not proposed again while others are drawn. Not
    learned from: trials whose worker was lost or stopped, which were pruned for something else,
    whose reward is None or not finite, or whose parameters are not a complete candidate of the
    space. Trials that no controller drew (enqueued, or made by another sampler) are learned from
    without a log-probability.

    Args:
        space: The search space; every decision is a categorical parameter of the study.
        reward: Reward of a finished trial from its record, or None if it has none.
        seed: Seed of the study, not negative.
        new_learner: Makes a learner that has learned nothing.

    Raises:
        ValueError: If the seed is negative.
    """

    def __init__(
        self,
        space: SearchSpace,
        reward: RewardFunction,
        seed: int,
        new_learner: Callable[[], Learner],
    ) -> None:
        if seed < 0:
            raise ValueError(f"a seed must not be negative, got {seed}")
        self._space = space
        self._decisions = space.decisions
        self._distributions: dict[str, BaseDistribution] = {
            decision.name: CategoricalDistribution(decision.options) for decision in space.decisions
        }
        self._reward = reward
        self._seed = seed
        self._history = History(new_learner)
        self._watch = FinishedTrials()
        self._failed = FailedNetworks()
        self._lock = threading.Lock()

    @property
    def learned(self) -> int:
        """Number of trials learned from so far."""
        return len(self._history)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All decisions of the space, drawn together."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Learns from trials that are new, then draws a candidate and records how."""
        with self._lock:
            running = self._catch_up(study, trial.number)
            rng = np.random.default_rng((self._seed, trial.number))
            draw = self._draw(running, rng)
        _record(study, trial, draw)
        return {
            decision.name: decision.options[choice]
            for decision, choice in zip(self._decisions, draw.choices, strict=True)
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws a parameter that is no decision of the space, uniformly."""
        key = (self._seed, trial.number, zlib.crc32(param_name.encode()))
        uniform = RandomSampler(seed=derived_seed(*key))
        return uniform.sample_independent(study, trial, param_name, param_distribution)

    def _draw(self, running: list[tuple[int, ...]], rng: np.random.Generator) -> Draw:
        for _ in range(_REDRAWS):
            draw = self._history.learner.draw_beside(running, rng)
            if not self._has_failed(draw.choices):
                break
        return draw

    def _has_failed(self, choices: tuple[int, ...]) -> bool:
        failed = self._failed.networks
        # Most searches have no failures, and a key takes time.
        return bool(failed) and (
            self._space.canonical_key(genotype_of(self._space, choices)) in failed
        )

    def _catch_up(self, study: Study, number: int) -> list[tuple[int, ...]]:
        """Learns, and returns the choices of the trials that run, except that of this number."""
        trials = study.get_trials(deepcopy=False)
        self._failed.look(trials)
        look = self._watch.look(trials)
        lessons = [self._lesson(trial) for trial in look.finished]
        self._history.add(lesson for lesson in lessons if lesson is not None)
        others = [trial for trial in look.unfinished if trial.number != number]
        running = [self._choices(trial.params) for trial in others]
        return [choices for choices in running if choices is not None]

    def _lesson(self, trial: FrozenTrial) -> Lesson | None:
        choices = self._choices(trial.params)
        completed = trial.datetime_complete
        if choices is None or completed is None or trial.state not in _TELLING:
            return None
        log_prob = _recorded_log_prob(trial, choices)
        if is_candidate_failure(trial):
            return Lesson(completed, trial.number, choices, 0.0, log_prob, excess=_FAILED_EXCESS)
        if BEYOND in trial.user_attrs:
            excess = _excess(trial.user_attrs[BEYOND])
            return Lesson(completed, trial.number, choices, 0.0, log_prob, excess=excess)
        reward = self._reward(trial) if trial.state == TrialState.COMPLETE else None
        if reward is None or not math.isfinite(reward):
            return None
        values = tuple(trial.values)
        return Lesson(completed, trial.number, choices, float(reward), log_prob, values)

    def _choices(self, parameters: Mapping[str, Any]) -> tuple[int, ...] | None:
        try:
            return tuple(d.options.index(parameters[d.name]) for d in self._decisions)
        except (KeyError, ValueError):
            return None


def derived_seed(*key: int) -> int:
    """A 32-bit seed from several non-negative integers."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def _excess(beyond: Mapping[str, Mapping[str, float]]) -> float:
    return sum(math.log(cost["value"] / cost["limit"]) for cost in beyond.values())


def _record(study: Study, trial: FrozenTrial, draw: Draw) -> None:
    # Optuna's own samplers keep what they need to know about a trial in its system attributes,
    # by this same call; the public setter belongs to a live Trial, which a sampler never gets.
    if draw.log_prob is not None:
        value: dict[str, Any] = {"choices": list(draw.choices), "log_prob": draw.log_prob}
        study._storage.set_trial_system_attr(trial._trial_id, DRAW_KEY, value)


def _recorded_log_prob(trial: FrozenTrial, choices: tuple[int, ...]) -> float | None:
    record = trial.system_attrs.get(DRAW_KEY)
    # An enqueued trial can fix some of the parameters after the draw: the log-probability is
    # then that of another candidate.
    if record is None or tuple(record["choices"]) != choices:
        return None
    return float(record["log_prob"])
