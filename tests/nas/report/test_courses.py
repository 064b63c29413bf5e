from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import create_trial

from nas.pareto.candidates import Candidate, Series
from nas.report.courses import course_rows, courses
from nas.report.runs import Search
from nas.searching.records import record_of


def _record(number, **attributes):
    return replace(record_of(create_trial(value=0.5, user_attrs=attributes)), number=number)


def _search(name, figures, others=()):
    """A search of candidates (quality, FLOPs) and other finished trials after them."""
    candidates = [
        Candidate(n, n, {"quality": quality, "reward": 2 * quality, "flops": flops})
        for n, (quality, flops) in enumerate(figures)
    ]
    complete = [_record(n) for n in range(len(figures))] + list(others)
    return Search(Series(name, tuple(candidates)), tuple(complete))


def test_searches_are_followed_from_one_reference_point() -> None:
    searches = [_search("a", [(0.5, 10.0)]), _search("b", [(0.5, 10.0), (0.1, 30.0)])]
    first, second = courses(searches, ("quality",), "flops")
    assert first.references == second.references == {"flops": pytest.approx(33.0)}
    assert first.hypervolume["flops"][0] == second.hypervolume["flops"][0]
    assert list(first.best) == ["quality"]


def test_trials_that_are_no_candidates_have_their_place_in_the_course() -> None:
    others = [_record(2, duplicate_of=0), _record(3, rung="early", stopped=True)]
    (found,) = courses(
        [_search("a", [(0.5, 10.0), (0.4, 20.0)], others)], ("reward", "quality"), "flops"
    )
    assert found.trials.tolist() == [0, 1, 2, 3]
    assert found.best["reward"].tolist() == [1.0] * 4
    assert found.repeats.tolist() == [False, False, True, False]


def test_a_course_has_a_row_for_every_trial() -> None:
    search = _search("a", [(0.5, 10.0)])
    late = replace(search, complete=(_record(0, rung="early", stopped=True), _record(4)))
    late = replace(late, series=Series("a", (replace(search.series.candidates[0], trial=4),)))
    rows = course_rows(courses([late], ("quality",), "flops"))
    # Nothing is the best yet where only one was cut short.
    assert rows[0] == {"search": "a", "trial": 0, "hypervolume_flops": 0.0, "repeats": False}
    assert rows[1] == {
        **{"search": "a", "trial": 4, "best_quality": 0.5},
        **{"hypervolume_flops": pytest.approx(0.5 * 0.1 / 1.1), "repeats": False},
    }
