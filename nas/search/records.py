"""What a study holds about its trials, as plain records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.sampler import BEYOND, EMPTY
from nas.search.breaches import Breaches, breaches_of
from rewards import Reward

LOST = "worker lost"
"""Failure of a trial whose worker was killed; not the candidate's fault."""
SURPLUS = "surplus: the number of trials asked for was already reached"
"""Failure of a trial that found no place; it was never trained."""
INTERRUPTED = "interrupted"
"""Failure of a trial that its user stopped."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study.

    Attributes:
        number: Number of the trial, from 0.
        state: "complete", "running", "fail", or "pruned" for a candidate beyond a limit, which was
            not trained.
        genotype: Nested form of the genotype as text; empty if there was none yet.
        canonical_key: The same for genotypes that compute the same function.
        choices: Option of every decision, by name.
        quality: Quality without penalty, or None if the trial is not complete.
        scores: Score by metric and class.
        macro: Mean over the classes, by metric.
        groups: F1 by group of classes.
        costs: Costs of the deployed network by name: params, macs, flops, latency (ms) …
        curves: Training losses by stage.
        seconds: Seconds by phase; "total" is the whole trial.
        rungs: Quality by rung, in the order of the rungs; the last is that of `quality`.
        stopped: Name of the rung where training was cut short, or None.
        details: Anything else that was recorded, such as the identity of the device.
        origin: host, device, commit, seed and worker.
        failure: Reason of failure, or None.
        duplicate_of: Number of the trial that this one repeats, or None.
        beyond: Limits that the candidate is beyond, by cost. A trial that is complete all the same
            was found beyond them by a measurement after its training.
        started: Local time of the start, or None.
        finished: Local time of the end, or None.
    """

    number: int
    state: str
    genotype: str
    canonical_key: str
    choices: Mapping[str, int | str]
    quality: float | None
    scores: Mapping[str, Mapping[str, float]]
    macro: Mapping[str, float]
    groups: Mapping[str, float]
    costs: Mapping[str, float]
    curves: Mapping[str, list[float]]
    seconds: Mapping[str, float]
    rungs: Mapping[str, float]
    stopped: str | None
    details: Mapping[str, Any]
    origin: Mapping[str, Any]
    failure: str | None
    duplicate_of: int | None
    beyond: Breaches
    started: datetime | None
    finished: datetime | None

    @property
    def is_complete(self) -> bool:
        return self.state == "complete"

    def reward(self, reward: Reward) -> float | None:
        """The penalised reward under any penalties, or None if the trial is not complete."""
        return reward(self.scores, self.costs) if self.is_complete else None


def read_records(study: Study) -> list[TrialRecord]:
    """Returns every trial of a study, in the order of their numbers."""
    return [record_of(trial) for trial in study.get_trials(deepcopy=False)]


def complete_records(study: Study) -> list[TrialRecord]:
    """Returns the trials that were evaluated, in the order of their numbers."""
    return [record for record in read_records(study) if record.is_complete]


def record_of(trial: FrozenTrial) -> TrialRecord:
    """Reads one trial."""
    attributes = trial.user_attrs
    return TrialRecord(
        number=trial.number,
        state=trial.state.name.lower(),
        genotype=attributes.get("genotype", ""),
        canonical_key=attributes.get("canonical_key", ""),
        choices=trial.params,
        quality=attributes.get("quality"),
        scores=attributes.get("scores", {}),
        macro=attributes.get("macro", {}),
        groups=attributes.get("groups", {}),
        costs=attributes.get("costs", {}),
        curves=attributes.get("curves", {}),
        seconds=attributes.get("seconds", {}),
        rungs=attributes.get("rungs", {}),
        stopped=attributes["rung"] if attributes.get("stopped") else None,
        details=attributes.get("details", {}),
        origin=attributes.get("origin", {}),
        failure=failure_of(trial),
        duplicate_of=attributes.get("duplicate_of"),
        beyond=breaches_of(attributes),
        started=trial.datetime_start,
        finished=trial.datetime_complete,
    )


def failure_of(trial: FrozenTrial) -> str | None:
    """Reason why a trial failed, or None if it did not fail."""
    if trial.state != TrialState.FAIL:
        return None
    # Whoever fails the trial of a dead worker can add nothing to it: Optuna has no call for that.
    reason: str = trial.user_attrs.get("failure", LOST)
    return reason


def is_beyond_limits(trial: FrozenTrial) -> bool:
    """True for a candidate that was not trained, as it is beyond a limit of the search."""
    return trial.state == TrialState.PRUNED and BEYOND in trial.user_attrs


def is_empty(trial: FrozenTrial) -> bool:
    """True for a candidate that is no network: no path leads from the image to the logits."""
    return trial.state == TrialState.FAIL and EMPTY in trial.user_attrs


def is_candidate_failure(trial: FrozenTrial) -> bool:
    """True if the candidate itself failed, not its worker."""
    return failure_of(trial) not in (None, LOST, SURPLUS, INTERRUPTED)


def reward_of(reward: Reward) -> Callable[[FrozenTrial], float | None]:
    """Returns a function that gives the penalised reward of a trial from its record.

    The function returns None for a trial that was not evaluated to its end.
    """

    def reward_of_trial(trial: FrozenTrial) -> float | None:
        if trial.state != TrialState.COMPLETE:
            return None
        return reward(trial.user_attrs["scores"], trial.user_attrs["costs"])

    return reward_of_trial
