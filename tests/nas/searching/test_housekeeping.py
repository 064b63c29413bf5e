from __future__ import annotations

import pytest
import search_fakes as fakes

from nas.errors import UserError
from nas.report.run_list import runs_in, size
from nas.report.runs import read_snapshot
from nas.searching import search
from nas.searching.housekeeping import delete, valid_again, void
from nas.searching.study import read_study


@pytest.fixture
def run(tmp_path):
    return search.start(
        fakes.config(trials=4), tmp_path / "run", fakes.assembly, "search_fakes:assembly"
    )


def test_a_void_result_is_left_out_with_its_repeats(run):
    before = [record.number for record in read_snapshot(run).trained()]
    void(run, before[0], " wrong labels ")
    found = read_snapshot(run)
    assert [record.number for record in found.trained()] == before[1:]
    assert found.records[before[0]].void == "wrong labels"
    assert len(found.complete) == 4
    valid_again(run, before[0])
    assert [record.number for record in read_snapshot(run).trained()] == before


def test_a_run_of_void_results_says_so(run):
    for record in read_snapshot(run).trained():
        void(run, record.number, "wrong labels")
    with pytest.raises(UserError, match="declared void"):
        read_snapshot(run).trained()


@pytest.mark.parametrize(("number", "reason"), [(99, "a"), (0, " ")])
def test_what_cannot_be_void_is_refused(run, number, reason):
    with pytest.raises(UserError, match=r"no complete trial 99|--reason is empty"):
        void(run, number, reason)


def test_what_is_not_void_stays_so(run):
    with pytest.raises(UserError, match="trial 0 is not void"):
        valid_again(run, 0)


def test_a_run_is_deleted_and_no_other(run, tmp_path):
    (tmp_path / "other").mkdir()
    assert delete(run) is None
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_run_with_running_trials_stays_unless_it_is_forced(run):
    read_study(run).ask()
    with pytest.raises(UserError, match=r"1 trials are running, .* give --force"):
        delete(run)
    delete(run, force=True)
    assert not run.path.exists()


def test_runs_are_listed_with_what_cannot_be_read(run, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    (tmp_path / "no run").mkdir()
    entries = {entry.path.name: entry for entry in runs_in(tmp_path)}
    assert entries.keys() == {"run", "broken"}
    assert (entries["run"].trials, entries["run"].best is not None) == ("4 of 4", True)
    assert "not a JSON file" in entries["broken"].trials
    assert entries["run"].size > entries["broken"].size == 1


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        runs_in(tmp_path / "absent")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (2e13, "20.0 TB")]
)
def test_sizes_are_read_by_people(count, text):
    assert size(count) == text
