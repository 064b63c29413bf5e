from __future__ import annotations

from dataclasses import replace

import pytest
from hand_made import failed, record

from nas.pareto.candidates import Candidate, Series
from nas.report.rungs import (
    at_both,
    rung_correlations,
    rung_names,
    rung_pairs,
    rung_panels,
    rung_rows,
    stopped_at,
)
from nas.report.runs import Search
from nas.searching.records import trained, without_repeats

SCORES = [(0.1, 0.3), (0.2, 0.2), (0.3, 0.5), (0.4, 0.4)]


def _two(number, early, late, **attributes):
    return record(number, rungs={"early": early, "late": late}, **attributes)


def _eight(**attributes):
    """Four candidates twice, the later four better by one at both rungs."""
    scores = SCORES + [(early + 1, late + 1) for early, late in SCORES]
    return [_two(number, *pair, **attributes) for number, pair in enumerate(scores)]


def _cut_short(number, early):
    return record(number, rungs={"early": early}, stopped=True)


def test_the_rungs_are_in_the_order_in_which_they_are_reached() -> None:
    records = [
        record(0, rungs={"a": 0.1}, stopped=True),
        record(1, rungs={"a": 0.1, "b": 0.2}, stopped=True),
        record(2, rungs={"a": 0.1, "b": 0.2, "c": 0.3}),
        record(3),
    ]
    assert rung_names(records) == ("a", "b", "c")
    assert rung_names([record(0)]) == ()


def test_every_rung_is_compared_with_the_next_and_the_last() -> None:
    assert rung_pairs("abcd") == [("a", "b"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    assert rung_pairs("ab") == [("a", "b")]
    assert rung_pairs("a") == rung_pairs("") == []


def test_rungs_correlate_over_the_candidates_that_reached_both() -> None:
    cut_short = [_cut_short(number, early=0.9) for number in range(8, 12)]
    (found,) = rung_correlations([*_eight(), *cut_short])
    assert (found.early, found.late, found.candidates) == ("early", "late", 8)
    # Of 28 pairs, two in each half disagree.
    assert found.kendall == pytest.approx(20 / 28)
    # Ranks 1 to 4 against 2, 1, 4, 3, and likewise above: 1 - 6 · 8 / (8 · 63).
    assert found.spearman == pytest.approx(1 - 48 / 504)


def test_ties_are_allowed_for() -> None:
    pairs = [(1, 1), (2, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)]
    (found,) = rung_correlations([_two(n, *pair) for n, pair in enumerate(pairs)])
    # Of 28 pairs one is tied in each row and the other 26 agree.
    assert found.kendall == pytest.approx(26 / 27)
    # Ranks 1, 2.5, 2.5 against 1.5, 1.5, 3, else equal; the centred squares of a row sum to 41.5.
    assert found.spearman == pytest.approx(1 - (0.25 + 1 + 0.25) / (2 * 41.5))


def test_repeats_and_failures_do_not_count() -> None:
    repeats = [_two(number, 5.0 - number, number, duplicate_of=0) for number in range(8, 12)]
    records = [*_eight(), *repeats, failed(12)]
    assert rung_correlations(records) == rung_correlations(_eight())
    assert at_both(records, "early", "late") == at_both(_eight(), "early", "late")


def test_a_few_candidates_have_no_correlation() -> None:
    assert rung_correlations(_eight()[1:]) == ()


def test_equal_scores_have_no_correlation() -> None:
    assert rung_correlations([_two(number, 0.5, number) for number in range(8)]) == ()


def test_candidates_that_were_cut_short_are_counted_by_rung() -> None:
    deep = [record(n, rungs={"early": 0.5, "middle": 0.5}, stopped=True) for n in range(8, 10)]
    long = record(10, rungs={"early": 0.1, "middle": 0.2, "late": 0.3})
    repeat = record(13, rungs={"early": 0.5}, stopped=True, duplicate_of=11)
    records = [*deep, long, _cut_short(11, 0.2), record(12), repeat, failed(14)]
    assert list(stopped_at(records).items()) == [("early", 1), ("middle", 2)]
    assert stopped_at(_eight()) == {}


def test_only_what_was_trained_to_its_end_for_the_first_time_is_compared() -> None:
    records = [record(0), _cut_short(1, 0.9), record(2, duplicate_of=0), failed(3)]
    assert [r.number for r in without_repeats(records)] == [0, 1]
    assert [r.number for r in trained(records)] == [0]


def _on_rungs(name, pairs, cut_short=()):
    records = [record(n, rungs={"a": x, "b": y}) for n, (x, y) in enumerate(pairs)]
    start = len(records)
    records += [
        record(n, rungs={"a": early}, stopped=True) for n, early in enumerate(cut_short, start)
    ]
    series = Series(name, (Candidate(0, 0, {"quality": 0.5}),))
    return Search(series, tuple(records))


EIGHT = [(n / 10, n / 20) for n in range(8)]


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
    repeat = record(2, rungs={"a": 0.1, "b": 0.05}, duplicate_of=0)
    assert rung_rows([replace(search, complete=(*search.complete, repeat))]) == [
        {"search": "s", "trial": 0, "a": 0.1, "b": 0.05, "cut_short_at": ""},
        {"search": "s", "trial": 1, "a": 0.3, "cut_short_at": "a"},
    ]
