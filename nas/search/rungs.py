"""What the rungs of a search tell: who was stopped where, and how well early scores foretell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas.search.rank_correlation import kendall_tau_b, spearman
from nas.search.records import TrialRecord

LEAST_CANDIDATES = 8
"""Rank correlations of fewer candidates say next to nothing and are not given."""


@dataclass(frozen=True)
class RungCorrelation:
    """How far the ranking of candidates at one rung is that at a later one.

    Where candidates are cut short, those that reached the later rung were chosen by their score at
    the earlier one, so that the correlation over all candidates would be higher.

    Attributes:
        early: The earlier rung.
        late: The later one.
        candidates: Number of candidates that were scored at both.
        kendall: Kendall's tau-b of their qualities.
        spearman: Spearman's rank correlation of these.
    """

    early: str
    late: str
    candidates: int
    kendall: float
    spearman: float


def first_of_their_kind(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The finished trials that repeat no other, those that were cut short among them."""
    return [r for r in records if r.is_complete and r.duplicate_of is None]


def trained(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The finished trials that repeat no other, were trained to their end and are within limits.

    A candidate that was cut short had less training than these and is not compared with them. One
    that a measurement found beyond a limit of the search is of no use, however good.
    """
    first = first_of_their_kind(records)
    return [record for record in first if record.stopped is None and not record.beyond]


def rung_names(records: Sequence[TrialRecord]) -> tuple[str, ...]:
    """The rungs where any trial was scored, in their order."""
    # Only the longest way up names every rung before its last one.
    ways = sorted((list(record.rungs) for record in records), key=len, reverse=True)
    return tuple(dict.fromkeys(name for way in ways for name in way))


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
        for record in first_of_their_kind(records)
        if early in record.rungs and late in record.rungs
    ]


def rung_correlations(records: Sequence[TrialRecord]) -> tuple[RungCorrelation, ...]:
    """The rank correlations between the rungs of a search; see `rung_pairs`.

    A pair is left out where fewer than `LEAST_CANDIDATES` were scored at both rungs, or where all
    of them have the same score at one.
    """
    found = [correlation(records, *pair) for pair in rung_pairs(rung_names(records))]
    return tuple(one for one in found if one is not None)


def correlation(records: Sequence[TrialRecord], early: str, late: str) -> RungCorrelation | None:
    """The rank correlation between two rungs; None where `rung_correlations` leaves it out."""
    scores = at_both(records, early, late)
    if len(scores) < LEAST_CANDIDATES:
        return None
    rows = tuple(zip(*scores, strict=True))
    kendall = kendall_tau_b(*rows)
    if math.isnan(kendall):
        return None
    return RungCorrelation(early, late, len(scores), kendall, spearman(*rows))


def stopped_at(records: Sequence[TrialRecord]) -> dict[str, int]:
    """Number of candidates that were cut short, by rung, in the order of the rungs."""
    stops = [record.stopped for record in first_of_their_kind(records)]
    return {name: stops.count(name) for name in rung_names(records) if name in stops}
