"""How good a search is so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.pareto.course import Course, Outcomes, course_of, reference_cost
from nas.search.assembly import make_reward
from nas.search.config import RewardSettings
from nas.search.records import TrialRecord
from nas.search.rungs import (
    RungCorrelation,
    first_of_their_kind,
    rung_correlations,
    stopped_at,
    trained,
)

UNPENALISED_COST = "flops"
"""The cost beside the quality where none is penalised."""


@dataclass(frozen=True)
class SearchQuality:
    """How good a search is so far.

    Attributes:
        best: The trial of the highest quality among those trained to their end, or None.
        best_reward: Likewise of the penalised reward; None without penalties.
        course: Best quality, best reward (with penalties) and hypervolume from trial to trial.
        candidates: Number of finished trials that repeat no other.
        stopped: Of these, those that were cut short, by rung, in the order of the rungs.
        correlations: How well the scores at early rungs foretell those at later ones.
    """

    best: TrialRecord | None
    best_reward: TrialRecord | None
    course: Course
    candidates: int
    stopped: Mapping[str, int]
    correlations: tuple[RungCorrelation, ...]

    @property
    def repeats(self) -> float:
        """Share of the finished trials that repeat an earlier one, 0 to 1."""
        return float(self.course.repeats.mean()) if len(self.course.repeats) else 0.0


def search_quality(
    name: str, records: Sequence[TrialRecord], settings: RewardSettings
) -> SearchQuality:
    """Judges the finished trials of a search.

    Repeats and trials that were cut short are neither the best nor on a front.

    Args:
        name: Of the search.
        records: Its trials, in the order of their numbers.
        settings: Its reward.
    """
    complete = [record for record in records if record.is_complete]
    contest = trained(complete)
    values = _values(contest, settings)
    penalised = tuple(penalty.cost for penalty in settings.penalties)
    followed = ("quality", "reward") if penalised else ("quality",)
    costs = penalised or _unpenalised(contest)
    outcomes = outcomes_of(name, complete, values, (*followed, *costs))
    references = {cost: reference_cost([outcomes], cost) for cost in costs}
    return SearchQuality(
        best=_highest(contest, values, "quality"),
        best_reward=_highest(contest, values, "reward") if penalised else None,
        course=course_of(outcomes, followed, references),
        candidates=len(first_of_their_kind(complete)),
        stopped=stopped_at(complete),
        correlations=rung_correlations(complete),
    )


def outcomes_of(
    name: str,
    complete: Sequence[TrialRecord],
    values: Mapping[int, Mapping[str, float]],
    figures: Sequence[str],
) -> Outcomes:
    """The finished trials of a search as `nas.pareto.course` follows them.

    Args:
        name: Of the search.
        complete: Its finished trials, in the order of their numbers.
        values: Figures of those that count, by number.
        figures: Names of the figures that are wanted.
    """
    found = {
        figure: np.array([values.get(r.number, {}).get(figure, np.nan) for r in complete])
        for figure in figures
    }
    numbers = np.array([record.number for record in complete], dtype=int)
    repeats = np.array([record.duplicate_of is not None for record in complete], dtype=bool)
    return Outcomes(name, numbers, found, repeats)


def _values(
    contest: Sequence[TrialRecord], settings: RewardSettings
) -> dict[int, dict[str, float]]:
    # The quality was recorded, so only the penalties are asked, and no task need be read for the
    # names of its classes.
    classes = settings.classes or ("recorded",)
    penalised = [penalty.cost for penalty in settings.penalties]
    reward = make_reward(settings, "the run", classes, classes, penalised)
    values = {}
    for record in contest:
        quality = record.quality
        assert quality is not None  # the trial is complete
        rewarded = quality * reward.coefficient(quality, record.costs)
        values[record.number] = {**record.costs, "quality": quality, "reward": rewarded}
    return values


def _unpenalised(contest: Sequence[TrialRecord]) -> tuple[str, ...]:
    known = all(UNPENALISED_COST in record.costs for record in contest)
    return (UNPENALISED_COST,) if known else ()


def _highest(
    contest: Sequence[TrialRecord], values: Mapping[int, Mapping[str, float]], figure: str
) -> TrialRecord | None:
    return max(contest, key=lambda record: values[record.number][figure], default=None)
