"""What the page about searches tells."""

from __future__ import annotations

import json
import shutil

import pytest

from nas.report.page.contents import Shown, contents
from nas.report.runs import read_snapshot
from nas.searching.run_folder import RunFolder


def _shown(path):
    folder = RunFolder.open(path)
    return Shown(folder, read_snapshot(folder))


def test_every_trial_is_told_with_its_recorded_figures(finished_run, page_values) -> None:
    records = read_snapshot(RunFolder.open(finished_run)).records
    (run,) = page_values["runs"]
    assert [trial["trial"] for trial in run["trials"]] == [record.number for record in records]
    for trial, record in zip(run["trials"], records, strict=True):
        assert trial["quality"] == record.quality
        assert trial["costs"] == dict(record.costs)
        assert trial["scores"]["f1"].keys() == record.scores["f1"].keys()
        assert trial["genotype"] == record.genotype


def test_the_trackers_of_a_search_are_told(finished_run) -> None:
    shown = _shown(finished_run)
    tracked = shown.snapshot.config.model_copy(update={"trackers": ("mlflow", "wandb")})
    object.__setattr__(shown.snapshot, "config", tracked)
    assert ["trackers", "mlflow, wandb"] in contents([shown])["runs"][0]["summary"]


def test_values_that_are_no_number_are_left_out_of_the_json(page_values) -> None:
    json.dumps(page_values, allow_nan=False)


def test_every_candidate_has_a_drawing_of_its_own_network(page_values) -> None:
    (run,) = page_values["runs"]
    by_genotype = {trial["genotype"]: trial["graph"] for trial in run["trials"]}
    assert len(set(by_genotype.values())) == len(by_genotype) == len(run["graphs"])


def test_runs_of_other_data_are_said_to_be_so(finished_run, tmp_path) -> None:
    other = shutil.copytree(finished_run, tmp_path / "other")
    shown = _shown(other)
    changed = type(shown.snapshot.data)({"task": "another"})
    object.__setattr__(shown.snapshot, "data", changed)
    (note,) = contents([_shown(finished_run), shown])["notes"]
    assert "differ" in note


def test_a_search_without_a_finished_trial_has_a_page(finished_run) -> None:
    shown = _shown(finished_run)
    object.__setattr__(shown.snapshot, "records", ())
    (run,) = contents([shown])["runs"]
    assert run["trials"] == [] and run["course"] == {}


@pytest.mark.parametrize("cost", ["params", "macs"])
def test_the_front_can_be_over_another_cost(finished_run, cost) -> None:
    assert contents([_shown(finished_run)], cost)["cost"] == cost
