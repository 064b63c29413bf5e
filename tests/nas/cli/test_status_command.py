from __future__ import annotations

from pathlib import Path

from nas.pareto.candidates import Candidate
from nas.report.runs import Reading, read_searches, read_snapshot
from nas.searching.records import complete_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study


def _candidates(folder: Path, reading: Reading) -> tuple[Candidate, ...]:
    (search,) = read_searches([read_snapshot(RunFolder.open(folder))], reading)
    return search.series.candidates


def test_status_tells_what_the_study_holds(nas, finished_run) -> None:
    records = complete_records(read_study(RunFolder.open(finished_run)))
    best = max(records, key=lambda record: record.quality)
    lines = nas("status", finished_run).out.splitlines()
    assert lines[0] == str(finished_run)
    assert "3 of 3 complete" in lines[1]
    assert f"{best.quality:.4f} (trial {best.number})" in lines[2]
    assert best.genotype in lines[3]
    found = {line.split("  ")[0]: line for line in lines}
    assert " s (median)" in found["time per candidate"]
    candidates = _candidates(finished_run, Reading("flops"))
    rewarded = max(candidates, key=lambda candidate: candidate.values["reward"])
    reward = f"{rewarded.values['reward']:.4f} (trial {rewarded.trial})"
    assert reward in found["best reward"]


def test_the_end_of_a_search_tells_how_good_it_is_as_the_status_does(nas, finished_search) -> None:
    folder, outcome = finished_search
    shown = [line.rstrip() for line in nas("status", folder).out.splitlines()]
    told = [line.rstrip() for line in outcome.out.splitlines()]
    course = shown[shown.index("Course of the search") :]
    assert course == told[told.index("Course of the search") :][: len(course)]
    assert any(line.startswith("best reward") for line in told)


def test_a_worker_on_a_complete_search_adds_nothing(nas, own_run) -> None:
    outcome = nas("worker", own_run)
    assert outcome.code == 0
    assert outcome.out == f"the search of {own_run} is complete.\n"
    assert len(read_study(RunFolder.open(own_run)).get_trials()) == 3


def test_a_worker_does_what_is_left(nas, own_run) -> None:
    read_study(RunFolder.open(own_run)).set_user_attr("trials", 4)
    assert nas("worker", own_run).code == 0
    assert len(complete_records(read_study(RunFolder.open(own_run)))) == 4
