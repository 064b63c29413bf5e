"""How good a search is so far: its best, its course, and what its rungs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from nas.pareto.course import Course, course_of, reference_cost
from nas.report.courses import outcomes_of
from nas.report.rungs import RungCorrelation, rung_correlations, stopped_at
from nas.report.runs import Snapshot, values_of
from nas.searching.records import TrialRecord, trained, without_repeats

_FEWEST = 9
"""Candidates below which the thirds of a search are too small to be compared."""


@dataclass(frozen=True)
class Thirds:
    """The candidates of a search in the order in which they were drawn, first against last.

    Attributes:
        figure: What is compared, "quality" or "reward".
        first: Its mean over the first third.
        last: Its mean over the last third.
    """

    figure: str
    first: float
    last: float

    @property
    def improved(self) -> bool:
        """Whether the controller found better candidates than it began with."""
        return self.last > self.first


@dataclass(frozen=True)
class SearchQuality:
    """How good a search is so far.

    Attributes:
        best: The trial of the highest quality among those trained to their end, or None.
        best_reward: The one of the highest penalised reward; None without penalties.
        course: Best quality, best reward (with penalties) and hypervolume from trial to trial.
        candidates: Number of complete trials that repeat no other.
        stopped: Number of these that were cut short, by rung, in the order of the rungs.
        correlations: How well the scores at early rungs predict those at later ones.
        thirds: What the controller has learned; None for random search, and for fewer than nine
            candidates.
    """

    best: TrialRecord | None
    best_reward: TrialRecord | None
    course: Course
    candidates: int
    stopped: Mapping[str, int]
    correlations: tuple[RungCorrelation, ...]
    thirds: Thirds | None = None

    @property
    def repeats(self) -> float:
        """Share of the complete trials that repeat an earlier one, 0 to 1."""
        return float(self.course.repeats.mean()) if len(self.course.repeats) else 0.0


def search_quality(run: Snapshot) -> SearchQuality:
    """Judges the complete trials of a search.

    Repeats and trials that were cut short are neither the best nor on a front.

    Raises:
        UserError: If its saved reward cannot be read.
    """
    complete = run.complete
    contest = trained(complete)
    values = {}
    if contest:
        reward = run.reward()
        values = {record.number: values_of(record, reward) for record in contest}
    penalised = run.config.objectives[1:]
    followed = ("quality", "reward") if penalised else ("quality",)
    costs = tuple(
        cost
        for cost in run.config.front_costs
        if penalised or all(cost in record.costs for record in contest)
    )
    outcomes = outcomes_of(run.study, complete, values, (*followed, *costs))
    references = {cost: reference_cost([outcomes], cost) for cost in costs}
    return SearchQuality(
        best=_highest(contest, values, "quality"),
        best_reward=_highest(contest, values, "reward") if penalised else None,
        thirds=None
        if run.config.controller.name == "random"
        else _thirds(without_repeats(contest), values, followed[-1]),
        course=course_of(outcomes, followed, references),
        candidates=len(without_repeats(complete)),
        stopped=stopped_at(complete),
        correlations=rung_correlations(complete),
    )


def _thirds(
    contest: Sequence[TrialRecord], values: Mapping[int, Mapping[str, float]], figure: str
) -> Thirds | None:
    if len(contest) < _FEWEST:
        return None
    figures = [values[record.number][figure] for record in contest]
    third = len(figures) // 3
    return Thirds(figure, fmean(figures[:third]), fmean(figures[-third:]))


def _highest(
    contest: Sequence[TrialRecord], values: Mapping[int, Mapping[str, float]], figure: str
) -> TrialRecord | None:
    return max(contest, key=lambda record: values[record.number][figure], default=None)
