"""Where the latencies of candidates come from: a measurement or a prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from nas.searching.records import TrialRecord


def latency_sources(records: Iterable[TrialRecord]) -> Mapping[str, int]:
    """Number of trials by the source of their latency, "measured" or "predicted".

    Those whose prediction remains because a measurement failed count as "unconfirmed" too. Trials
    without a latency are left out, and those of older searches, which recorded no source.
    """
    sources: Counter[str] = Counter()
    for record in records:
        details = record.details.get("latency")
        if isinstance(details, dict) and "source" in details:
            sources[details["source"]] += 1
            sources["unconfirmed"] += "unconfirmed" in details
    return sources


def told_sources(sources: Mapping[str, int]) -> str | None:
    """The sources in words, or None where nothing was predicted."""
    predicted, measured = sources.get("predicted", 0), sources.get("measured", 0)
    if not predicted:
        return None
    words = f"{predicted} predicted"
    if failed := sources.get("unconfirmed", 0):
        words += f" ({failed} could not be measured well)"
    return f"{words}, {measured} measured" if measured else words
