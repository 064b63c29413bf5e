"""How a search is doing and how good it is, for a terminal."""

from __future__ import annotations

import numpy as np
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from latency.costs import declared, heading
from nas.pareto.course import Course
from nas.report.tables import figure
from nas.search.latency_sources import told_sources
from nas.search.records import TrialRecord
from nas.search.search_quality import SearchQuality
from nas.search.status import Status

_STATES = {"fail": "failed", "pruned": "beyond the limits, not trained"}
_PARTS = 4
"""Parts of the search that have a column."""


def status_table(status: Status) -> RenderableType:
    """The trials of a search by state, and how good it is."""
    rows = _grid()
    complete = status.states.get("complete", 0)
    rows.add_row("trials", f"{complete} of {status.asked} complete")
    for state, count in status.states.items():
        if state != "complete":
            rows.add_row("", f"{count} {_STATES.get(state, state)}")
    for number, (cost, count) in enumerate(status.beyond.items()):
        rows.add_row("" if number else "beyond a limit", f"{count} x {heading(cost)}")
    _add_quality(rows, status.quality)
    if status.seconds is not None:
        rows.add_row("time per candidate", f"{status.seconds:.1f} s (median)")
    if (sources := told_sources(status.latencies)) is not None:
        rows.add_row("latency", sources)
    for host, count in status.hosts.items():
        rows.add_row("host", f"{host}: {count} complete")
    for reason, count in status.failures.items():
        rows.add_row("failed", f"{count} x {escape(reason)}")
    return _with_course(rows, status.quality)


def quality_table(quality: SearchQuality) -> RenderableType:
    """How good a search is."""
    rows = _grid()
    _add_quality(rows, quality)
    return _with_course(rows, quality)


def _grid() -> Table:
    return Table(show_header=False, box=None, padding=(0, 2, 0, 0))


def _add_quality(rows: Table, quality: SearchQuality) -> None:
    best, course = quality.best, quality.course
    if best is not None:
        _add_best(rows, "best quality", course.best["quality"][-1], best)
    if quality.best_reward is not None:
        _add_best(rows, "best reward", course.best["reward"][-1], quality.best_reward)
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


def _add_best(rows: Table, name: str, value: float, trial: TrialRecord) -> None:
    rows.add_row(name, f"{value:.4f} (trial {trial.number})")
    rows.add_row("", escape(trial.genotype))


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
    """A search after each quarter of its finished trials.

    Args:
        course: Of at least one trial.
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
