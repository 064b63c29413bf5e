from __future__ import annotations

from hand_made import record

from nas.search.latency_sources import latency_sources, told_sources


def test_latencies_are_told_by_their_source() -> None:
    sources = ("predicted", "measured", "predicted")
    records = [record(i, details={"latency": {"source": one}}) for i, one in enumerate(sources)]
    # Trials without a latency, and those of runs that recorded no source.
    records += [record(3, details={}), record(4, details={"latency": {"median_ms": 1.0}})]
    found = latency_sources(records)
    assert found == {"predicted": 2, "measured": 1}
    assert told_sources(found) == "2 predicted, 1 measured"


def test_nothing_is_told_where_nothing_was_predicted() -> None:
    assert told_sources({"measured": 3}) is None
    assert told_sources({}) is None
    assert told_sources({"predicted": 1}) == "1 predicted"
