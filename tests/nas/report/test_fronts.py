from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nas.report.fronts import run_front
from nas.report.runs import read_snapshot
from nas.searching.run_folder import RunFolder


@pytest.mark.parametrize(
    ("source", "caption"), [("predicted", r"latency: [1-3] predicted"), ("measured", "None")]
)
def test_a_front_tells_of_latencies_that_are_predicted(finished_run, source, caption) -> None:
    run = read_snapshot(RunFolder.open(finished_run))
    details = {"latency": {"source": source}}
    records = tuple(replace(record, details=details) for record in run.records)
    found = run_front(replace(run, records=records), 80).caption
    assert re.fullmatch(caption, str(found))
