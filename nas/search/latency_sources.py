"""Where the latencies of a search come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from nas.search.records import TrialRecord


def latency_sources(records: Iterable[TrialRecord]) -> Mapping[str, int]:
    """Number of trials by the source of their latency, "measured" or "predicted".

    Trials without a latency are left out, and those of searches that only measured.
    """
    details = (record.details.get("latency") for record in records)
    return Counter(one["source"] for one in details if isinstance(one, dict) and "source" in one)


def told_sources(sources: Mapping[str, int]) -> str | None:
    """The same in words, None where nothing was predicted."""
    if not sources.get("predicted"):
        return None
    shown = (name for name in ("predicted", "measured") if sources.get(name))
    return ", ".join(f"{sources[name]} {name}" for name in shown)
