"""The rungs of a search: who was cut short where, and how well early scores predict later ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from nas.pareto.rungs import RungPanel, RungScores
from nas.report.runs import Search
from nas.searching.records import TrialRecord, without_repeats

LEAST_CANDIDATES = 8
"""Rank correlations of fewer candidates mean next to nothing and are left out."""


@dataclass(frozen=True)
class RungCorrelation:
    """How well the ranking of candidates at one rung agrees with that at a later one.

    Where candidates are cut short, those that reached the later rung were selected by their score
    at the earlier one, so that the correlation over all candidates would be higher.

    Attributes:
        early: The earlier rung.
        late: The later one.
        candidates: Number of candidates that were scored at both.
        kendall: Kendall's tau-b of their qualities, which allows for ties.
        spearman: Spearman's rank correlation of their qualities.
    """

    early: str
    late: str
    candidates: int
    kendall: float
    spearman: float


def rung_names(records: Sequence[TrialRecord]) -> tuple[str, ...]:
    """The rungs where any trial was scored, in their order."""
    # The longest list names every rung before its last one.
    lists = sorted((list(record.rungs) for record in records), key=len, reverse=True)
    return tuple(dict.fromkeys(name for names in lists for name in names))


def rung_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs that are compared: each rung with the next one and with the last."""
    last = len(names) - 1
    return [
        (names[early], names[late]) for early in range(last) for late in sorted({early + 1, last})
    ]


def at_both(records: Sequence[TrialRecord], early: str, late: str) -> list[tuple[float, float]]:
    """The qualities at two rungs of every candidate that was scored at both."""
    return [
        (record.rungs[early], record.rungs[late])
        for record in without_repeats(records)
        if early in record.rungs and late in record.rungs
    ]


def rung_correlations(records: Sequence[TrialRecord]) -> tuple[RungCorrelation, ...]:
    """The rank correlations between the rungs of a search; see `rung_pairs`.

    A pair is left out where fewer than `LEAST_CANDIDATES` were scored at both rungs, or where all
    of them have the same score at one of the two.
    """
    found = [correlation(records, *pair) for pair in rung_pairs(rung_names(records))]
    return tuple(one for one in found if one is not None)


def correlation(records: Sequence[TrialRecord], early: str, late: str) -> RungCorrelation | None:
    """The rank correlation between two rungs; None where `rung_correlations` leaves it out."""
    scores = at_both(records, early, late)
    if len(scores) < LEAST_CANDIDATES:
        return None
    # It takes most of a second to import, and few runs have rungs.
    from scipy.stats import kendalltau, spearmanr

    rows = tuple(zip(*scores, strict=True))
    kendall = float(kendalltau(*rows).statistic)
    if math.isnan(kendall):
        return None
    return RungCorrelation(early, late, len(scores), kendall, float(spearmanr(*rows).statistic))


def stopped_at(records: Sequence[TrialRecord]) -> dict[str, int]:
    """Number of candidates that were cut short, by rung, in the order of the rungs."""
    stops = [record.stopped for record in without_repeats(records)]
    return {name: stops.count(name) for name in rung_names(records) if name in stops}


def rung_panels(searches: Sequence[Search]) -> list[RungPanel]:
    """The pairs of rungs where enough candidates of a search were scored for a rank correlation.

    The qualities are those that the searches recorded, whatever reward they are read with.
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


def trust_panel(searches: Sequence[Search]) -> RungPanel | None:
    """Quality in the search against that after full training; None where nothing was retrained."""
    if all(search.trust is None for search in searches):
        return None
    return RungPanel(
        "the end of the search", "the end of full training", tuple(map(_retrained, searches))
    )


def _retrained(search: Search) -> RungScores:
    found = search.trust
    both = [(one.quality, fmean(one.full)) for one in found.retrials] if found else []
    note = ""
    if found is not None and found.agreement is not None:
        one = found.agreement
        tau, rho = rf"$\tau_b$ {one.kendall.value:.2f}", rf"$\rho$ {one.spearman.value:.2f}"
        note = f"{tau}, {rho}, n = {len(both)}"
    scores = np.array(both, dtype=np.float64).reshape(-1, 2)
    return RungScores(search.series.name, scores, np.array([], dtype=np.float64), note)


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
        for record in without_repeats(search.complete)
    ]


def _scores(search: Search, early: str, late: str, found: RungCorrelation | None) -> RungScores:
    scored = [r.rungs for r in without_repeats(search.complete) if early in r.rungs]
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
