from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import create_trial

from nas.pareto.candidates import Candidate, Series
from nas.report.courses import course_rows, courses, rung_panels, rung_rows
from nas.report.runs import Search
from nas.search.records import record_of


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


def _on_rungs(name, pairs, cut_short=()):
    records = [_record(n, rungs={"a": x, "b": y}) for n, (x, y) in enumerate(pairs)]
    start = len(records)
    records += [
        _record(n, rungs={"a": early}, rung="a", stopped=True)
        for n, early in enumerate(cut_short, start)
    ]
    return replace(_search(name, [(0.5, 1.0)]), complete=tuple(records))


EIGHT = [(n / 10, n / 20) for n in range(8)]


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


def test_a_panel_holds_the_candidates_of_two_rungs_and_their_correlation() -> None:
    (panel,) = rung_panels([_on_rungs("s", EIGHT, cut_short=[0.05])])
    (scores,) = panel.searches
    assert (panel.early, panel.late, scores.name) == ("a", "b", "s")
    assert scores.both.tolist() == [list(pair) for pair in EIGHT]
    assert scores.cut_short.tolist() == [0.05]
    assert scores.note == r"$\tau_b$ 1.00, $\rho$ 1.00, n = 8"


def test_a_search_with_few_candidates_is_drawn_beside_one_with_enough() -> None:
    (panel,) = rung_panels([_on_rungs("few", EIGHT[:2]), _on_rungs("enough", EIGHT)])
    assert [scores.note != "" for scores in panel.searches] == [False, True]
    assert [len(scores.both) for scores in panel.searches] == [2, 8]


@pytest.mark.parametrize("pairs", [[], EIGHT[:7]])
def test_without_enough_candidates_at_two_rungs_there_is_no_panel(pairs) -> None:
    assert rung_panels([_on_rungs("s", pairs)]) == []


def test_rungs_have_a_row_for_every_candidate() -> None:
    search = _on_rungs("s", EIGHT[1:2], cut_short=[0.3])
    repeat = _record(2, rungs={"a": 0.1, "b": 0.05}, duplicate_of=0)
    assert rung_rows([replace(search, complete=(*search.complete, repeat))]) == [
        {"search": "s", "trial": 0, "a": 0.1, "b": 0.05, "cut_short_at": ""},
        {"search": "s", "trial": 1, "a": 0.3, "cut_short_at": "a"},
    ]
