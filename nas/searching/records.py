"""The trials of a study as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import failure_of
from nas.controllers.sampler import BEYOND
from nas.searching.limits import Breaches, breaches_of
from nas.searching.repeats import REPEATS

VOID = "void"
"""Attribute of a study: reasons by the number of the trial, as finished trials cannot change."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study.

    Attributes:
        number: Number of the trial, from 0.
        state: "complete", "running", "fail", or "pruned" for a candidate beyond a limit, which was
            not trained.
        genotype: Nested form of the genotype as text; empty if it was not drawn yet.
        canonical_key: Equal for genotypes that compute the same function.
        choices: Option of every decision, by name.
        quality: Quality without penalty, or None if the trial is not complete.
        scores: Score by metric and class.
        macro: Mean over the classes, by metric.
        groups: F1 by group of classes.
        costs: Costs of the deployed network by name: params, macs, flops, latency (ms) …
        curves: Training losses by stage.
        seconds: Seconds by phase; "total" is the whole trial.
        rungs: Quality by rung, in the order of the rungs; the last one is `quality`.
        stopped: Name of the rung where training was cut short, or None.
        details: Anything else that was recorded, such as the identity of the device.
        origin: host, device, commit, seed and worker.
        failure: Reason of failure, or None.
        repeats: Number of the first trial of the same network, or None if this is the first.
        beyond: Limits that the candidate is beyond, by cost. Of a complete trial, a measurement
            after the training has found this.
        void: Why the user has declared the result void, or None.
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
    repeats: int | None
    beyond: Breaches
    void: str | None
    started: datetime | None
    finished: datetime | None

    @property
    def is_complete(self) -> bool:
        return self.state == "complete"


def read_records(study: Study) -> list[TrialRecord]:
    """Every trial of a study, in the order of their numbers."""
    void = study.user_attrs.get(VOID, {})
    return [record_of(trial, void) for trial in study.get_trials(deepcopy=False)]


def complete_records(study: Study) -> list[TrialRecord]:
    """The complete trials of a study, in the order of their numbers."""
    return [record for record in read_records(study) if record.is_complete]


def record_of(trial: FrozenTrial, void: Mapping[str, str] = MappingProxyType({})) -> TrialRecord:
    """Reads one trial.

    Args:
        trial: The trial.
        void: Reasons by number of what was declared void; it goes for repeats of a trial too.
    """
    attributes = trial.user_attrs
    first = attributes.get(REPEATS)
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
        repeats=first,
        void=void.get(str(trial.number), void.get(str(first))),
        beyond=breaches_of(attributes),
        started=trial.datetime_start,
        finished=trial.datetime_complete,
    )


def without_repeats(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The complete trials that repeat no other, including those that were cut short."""
    return [r for r in records if r.is_complete and r.repeats is None]


def trained(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The complete trials that repeat no other, were trained to their end and are within limits.

    A candidate that was cut short had less training than these, so that it does not compare with
    them. One that was measured beyond a limit of the search is of no use, however good it is, nor
    is one that the user has declared void.
    """
    found = without_repeats(records)
    return [r for r in found if r.stopped is None and not r.beyond and r.void is None]


def is_beyond_limits(trial: FrozenTrial) -> bool:
    """True for a candidate that was not trained because it is beyond a limit of the search."""
    return trial.state == TrialState.PRUNED and BEYOND in trial.user_attrs
