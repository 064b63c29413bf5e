from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nas.report import runs
from nas.report.fronts import run_front
from nas.search.records import complete_records
from nas.search.run_folder import RunFolder


@pytest.mark.parametrize(
    ("source", "caption"), [("predicted", r"latency: [1-3] predicted"), ("measured", "None")]
)
def test_a_front_tells_of_latencies_that_are_predicted(
    finished_run, monkeypatch, source, caption
) -> None:
    def records(study):
        details = {"latency": {"source": source}}
        return [replace(record, details=details) for record in complete_records(study)]

    monkeypatch.setattr(runs, "complete_records", records)
    found = run_front(RunFolder.open(finished_run), 80).caption
    assert re.fullmatch(caption, str(found))
