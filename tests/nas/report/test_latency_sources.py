from __future__ import annotations

from hand_made import record

from nas.report.latency_sources import latency_sources, told_sources


def test_latencies_are_told_by_their_source() -> None:
    sources = ("predicted", "measured", "predicted")
    records = [record(i, details={"latency": {"source": one}}) for i, one in enumerate(sources)]
    # Trials without a latency, and those of runs that recorded no source.
    records += [record(3, details={}), record(4, details={"latency": {"median_ms": 1.0}})]
    found = latency_sources(records)
    assert (found["predicted"], found["measured"], found["unconfirmed"]) == (2, 1, 0)
    assert told_sources(found) == "2 predicted, 1 measured"


def test_measurements_that_failed_are_told_of() -> None:
    details = {"latency": {"source": "predicted", "unconfirmed": "the machine was too busy."}}
    records = [record(0, details=details), record(1, details={"latency": {"source": "predicted"}})]
    found = latency_sources(records)
    assert told_sources(found) == "2 predicted (1 could not be measured well)"


def test_nothing_is_told_where_nothing_was_predicted() -> None:
    assert told_sources({"measured": 3}) is None
    assert told_sources({}) is None
    assert told_sources({"predicted": 1}) == "1 predicted"
