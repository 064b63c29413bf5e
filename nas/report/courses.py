"""The courses of searches: the best so far and the hypervolume from trial to trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nas.pareto.course import Course, Outcomes, course_of, reference_cost
from nas.report.runs import Search
from nas.searching.records import TrialRecord


def outcomes_of(
    name: str,
    complete: Sequence[TrialRecord],
    values: Mapping[int, Mapping[str, float]],
    figures: Sequence[str],
) -> Outcomes:
    """The complete trials of a search as `nas.pareto.course` follows them.

    Args:
        name: Name of the search.
        complete: Its complete trials, in the order of their numbers.
        values: Figures of those that count, by number.
        figures: Names of the figures that are wanted.
    """
    found = {
        figure: np.array([values.get(r.number, {}).get(figure, np.nan) for r in complete])
        for figure in figures
    }
    numbers = np.array([record.number for record in complete], dtype=int)
    repeats = np.array([record.repeats is not None for record in complete], dtype=bool)
    return Outcomes(name, numbers, found, repeats)


def courses(searches: Sequence[Search], followed: Sequence[str], cost: str) -> list[Course]:
    """Follows each search, with one reference point for all, so that they can be compared.

    Args:
        searches: One or several.
        followed: The figures whose best so far is wanted, of quality and reward.
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
    """A row for each complete trial: what the search had achieved after it.

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
