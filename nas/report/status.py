"""How a search is doing: its trials by state, its quality and its failures, for a terminal."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from latency.costs import declared, heading
from nas.pareto.course import Course
from nas.report.agreement import Trust, read_trust
from nas.report.latency_sources import latency_sources, told_sources
from nas.report.runs import Snapshot
from nas.report.search_quality import SearchQuality, Thirds, search_quality
from nas.report.tables import figure
from nas.report.teacher import teacher_sentence
from nas.report.trust import trust_sentences
from nas.searching.records import TrialRecord, without_repeats

_STATES = {"fail": "failed", "pruned": "beyond the limits, not trained"}
_PARTS = 4
"""Number of columns that the course of a search is shown in."""


@dataclass(frozen=True)
class Status:
    """How a search is doing.

    Attributes:
        asked: Number of complete trials asked for.
        states: Number of trials by state: complete, running, fail, pruned.
        beyond: Number of candidates beyond each limit, by cost. Those that were not trained for it
            are "pruned" in `states`; all others were measured beyond it after their training.
        quality: How good the search is so far.
        seconds: Median seconds of a candidate that repeats no other, or None.
        failures: Number of failed trials by reason, the most frequent first.
        hosts: Number of complete trials by host.
        latencies: Number of complete trials by the source of their latency.
        trust: What ``nas trust`` has found, or None.
        finals: Sentences about the finalists, the best first.
        teacher: A sentence about the teacher, or None.
    """

    asked: int
    states: Mapping[str, int]
    beyond: Mapping[str, int]
    quality: SearchQuality
    seconds: float | None
    failures: Mapping[str, int]
    hosts: Mapping[str, int]
    latencies: Mapping[str, int]
    trust: Trust | None = None
    finals: tuple[str, ...] = ()
    teacher: str | None = None


def status(run: Snapshot) -> Status:
    """Summarises the trials of a run.

    Raises:
        UserError: If its saved reward cannot be read.
    """
    complete = run.complete
    seconds = [record.seconds["total"] for record in without_repeats(complete)]
    failures = Counter(record.failure for record in run.records if record.failure)
    beyond = Counter(cost for record in run.records for cost in record.beyond)
    return Status(
        asked=run.asked,
        states=Counter(record.state for record in run.records),
        beyond=dict(beyond.most_common()),
        quality=search_quality(run),
        seconds=statistics.median(seconds) if seconds else None,
        failures=dict(failures.most_common()),
        hosts=Counter(str(record.origin["host"]) for record in complete),
        latencies=latency_sources(complete),
        trust=read_trust(run.path),
        finals=tuple(finalist_sentences(run)),
        teacher=teacher_sentence(run),
    )


def finalist_sentences(run: Snapshot) -> list[str]:
    """The finalists of a search, the best first: what more training made of them."""
    found, finals = run.finalists, run.finals()
    if found is None or not finals:
        return []
    reward = run.reward()
    sentences = []
    for record in finals:
        epochs, quality = found.last(record.number)
        # Otherwise the best one may seem to be another.
        ranked = f"reward {found.reward(record, reward):.4f}, " if reward.penalties else ""
        sentences.append(
            f"trial {record.number}: {ranked}quality {quality:.4f} after {epochs} epochs, "
            f"{record.quality or 0.0:.4f} in the search"
        )
    return sentences


def status_table(found: Status) -> RenderableType:
    """The trials of a search by state, and how good it is."""
    rows = _grid()
    complete = found.states.get("complete", 0)
    rows.add_row("trials", f"{complete} of {found.asked} complete")
    for state, count in found.states.items():
        if state != "complete":
            rows.add_row("", f"{count} {_STATES.get(state, state)}")
    for number, (cost, count) in enumerate(found.beyond.items()):
        rows.add_row("" if number else "beyond a limit", f"{count} x {heading(cost)}")
    _add_quality(rows, found.quality)
    _add_lines(rows, "finalists", found.finals)
    _add_lines(rows, "teacher", [found.teacher] if found.teacher else [])
    _add_lines(rows, "trust", trust_sentences(found.trust) if found.trust else [])
    if found.seconds is not None:
        rows.add_row("time per candidate", f"{found.seconds:.1f} s (median)")
    if (sources := told_sources(found.latencies)) is not None:
        rows.add_row("latency", sources)
    for host, count in found.hosts.items():
        rows.add_row("host", f"{host}: {count} complete")
    for reason, count in found.failures.items():
        rows.add_row("failed", Text(f"{count} x {reason}"))
    return _with_course(rows, found.quality)


def quality_table(quality: SearchQuality) -> RenderableType:
    """How good a search is."""
    rows = _grid()
    _add_quality(rows, quality)
    return _with_course(rows, quality)


def _grid() -> Table:
    return Table(show_header=False, box=None, padding=(0, 2, 0, 0))


def _add_lines(rows: Table, name: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        rows.add_row("" if number else name, line)


def _add_quality(rows: Table, quality: SearchQuality) -> None:
    best, course = quality.best, quality.course
    if best is not None:
        _add_best(rows, "best quality", course.best["quality"][-1], best)
    if quality.best_reward is not None:
        _add_best(rows, "best reward", course.best["reward"][-1], quality.best_reward)
    if quality.thirds is not None:
        rows.add_row(f"mean {quality.thirds.figure}", _progress_of(quality.thirds))
    rows.add_row("repeated candidates", f"{quality.repeats:.0%}")
    for number, (rung, count) in enumerate(quality.stopped.items()):
        share = f"{count} of {quality.candidates} candidates at {rung}"
        rows.add_row("" if number else "cut short", share)
    for number, found in enumerate(quality.correlations):
        agreement = (
            f"{found.early} to {found.late}: tau-b {found.kendall:.2f}, "
            f"Spearman {found.spearman:.2f}, n = {found.candidates}"
        )
        rows.add_row("" if number else "rank correlation", agreement)


def _progress_of(thirds: Thirds) -> str:
    means = f"{thirds.first:.4f} in the first third of candidates, {thirds.last:.4f} in the last"
    if thirds.improved:
        return means
    return f"{means};\nthe last third is no better than the first: no better than random"


def _add_best(rows: Table, name: str, value: float, trial: TrialRecord) -> None:
    rows.add_row(name, f"{value:.4f} (trial {trial.number})")
    rows.add_row("", Text(trial.genotype))


def _with_course(rows: Table, quality: SearchQuality) -> RenderableType:
    course = quality.course
    if not len(course.trials):
        return rows
    meanings = [
        f"hypervolume, {heading(cost)}: the best quality within a budget, averaged over all\n"
        f"budgets up to {figure(cost, reference)} {_counted(cost)}"
        for cost, reference in course.references.items()
    ]
    return Group(rows, course_table(course), *(Text(meaning) for meaning in meanings))


def course_table(course: Course) -> Table:
    """The progress of a search after each quarter of its complete trials.

    Args:
        course: The course of at least one trial.
    """
    ends = sorted({len(course.trials) * part // _PARTS for part in range(1, _PARTS + 1)} - {0})
    table = Table(title="Course of the search", title_justify="left")
    table.add_column("finished trials", no_wrap=True)
    for end in ends:
        table.add_column(str(end), justify="right", no_wrap=True)
    rows = {f"best {name}": values for name, values in course.best.items()}
    rows |= {f"hypervolume, {heading(cost)}": v for cost, v in course.hypervolume.items()}
    for name, values in rows.items():
        table.add_row(name, *(_score(values[end - 1]) for end in ends))
    parts = np.split(course.repeats, ends[:-1])
    table.add_row("repeats in this part", *(f"{part.mean():.0%}" for part in parts))
    return table


def _counted(cost: str) -> str:
    """What a number of a cost counts."""
    known = declared(cost)
    return cost if known is None else known.unit.name or known.label


def _score(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"
