"""The courses of runs, and what their rungs foretold, as `nas.pareto` draws them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.pareto.course import Course, course_of, reference_cost
from nas.pareto.plot_rungs import RungPanel, RungScores
from nas.report.runs import Search
from nas.search.rungs import (
    RungCorrelation,
    correlation,
    first_of_their_kind,
    rung_names,
    rung_pairs,
)
from nas.search.search_quality import outcomes_of


def courses(searches: Sequence[Search], followed: Sequence[str], cost: str) -> list[Course]:
    """Follows each search, with one reference point for all, so that they can be compared.

    Args:
        searches: One or several.
        followed: Whose best so far is wanted, of quality and reward.
        cost: The cost beside the quality in the hypervolume.
    """
    outcomes = [
        outcomes_of(
            search.series.name,
            search.complete,
            {candidate.trial: candidate.values for candidate in search.series.candidates},
            (*followed, "quality", cost),
        )
        for search in searches
    ]
    references = {cost: reference_cost(outcomes, cost)}
    return [course_of(one, followed, references) for one in outcomes]


def course_rows(found: Sequence[Course]) -> list[dict[str, object]]:
    """A row for each finished trial: what the search had come to after it.

    Returns:
        Rows with the search, the trial (from 0), the best of each figure (`best_quality` …; left
        out before the first candidate), the hypervolumes (`hypervolume_flops` …) and whether the
        trial repeats an earlier one.
    """
    rows = []
    for course in found:
        columns = {f"best_{name}": values for name, values in course.best.items()}
        columns |= {f"hypervolume_{cost}": values for cost, values in course.hypervolume.items()}
        for place, trial in enumerate(course.trials.tolist()):
            figures = {key: float(values[place]) for key, values in columns.items()}
            rows.append(
                {
                    "search": course.name,
                    "trial": trial,
                    **{key: value for key, value in figures.items() if not np.isnan(value)},
                    "repeats": bool(course.repeats[place]),
                }
            )
    return rows


def rung_panels(searches: Sequence[Search]) -> list[RungPanel]:
    """The pairs of rungs where enough candidates of a search were scored for a rank correlation.

    The qualities are those that the searches themselves recorded.
    """
    everything = [record for search in searches for record in search.complete]
    panels = []
    for early, late in rung_pairs(rung_names(everything)):
        found = [correlation(search.complete, early, late) for search in searches]
        if any(one is not None for one in found):
            scores = (
                _scores(search, early, late, one)
                for search, one in zip(searches, found, strict=True)
            )
            panels.append(RungPanel(early, late, tuple(scores)))
    return panels


def rung_rows(searches: Sequence[Search]) -> list[dict[str, object]]:
    """A row for each candidate: its quality at every rung that it reached."""
    names = rung_names([record for search in searches for record in search.complete])
    return [
        {
            "search": search.series.name,
            "trial": record.number,
            **{name: record.rungs[name] for name in names if name in record.rungs},
            "cut_short_at": record.stopped or "",
        }
        for search in searches
        for record in first_of_their_kind(search.complete)
    ]


def _scores(search: Search, early: str, late: str, found: RungCorrelation | None) -> RungScores:
    scored = [r.rungs for r in first_of_their_kind(search.complete) if early in r.rungs]
    both = [(rungs[early], rungs[late]) for rungs in scored if late in rungs]
    cut_short = [rungs[early] for rungs in scored if late not in rungs]
    note = ""
    if found is not None:
        tau, rho = rf"$\tau_b$ {found.kendall:.2f}", rf"$\rho$ {found.spearman:.2f}"
        note = f"{tau}, {rho}, n = {found.candidates}"
    return RungScores(
        search.series.name,
        np.array(both, dtype=np.float64).reshape(-1, 2),
        np.array(cut_short, dtype=np.float64),
        note,
    )
