from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from nas.errors import UserError
from nas.report.runs import Reading, default_cost, read_searches, read_series, trained_records
from nas.search.breaches import Breach
from nas.search.records import complete_records
from nas.search.run_folder import RunFolder
from nas.search.study import read_study


def _change_reward(run: RunFolder, **changes: object) -> None:
    config = run.config()
    reward = config.reward.model_copy(update=changes)
    run.save_config(config.model_copy(update={"reward": reward}))


def test_a_candidate_has_its_recorded_figures_and_its_reward(finished_run) -> None:
    run = RunFolder.open(finished_run)
    (series,) = read_series([run], Reading("flops"))
    penalty = run.config().reward.penalties[0]
    records = complete_records(read_study(run))
    assert series.name == "finished"
    for candidate, record in zip(series.candidates, records, strict=True):
        values = candidate.values
        assert candidate.trial == candidate.iteration == record.number
        assert values["quality"] == pytest.approx(record.quality)
        coefficient = (record.costs["flops"] / penalty.base) ** penalty.exponent
        assert values["reward"] == pytest.approx(record.quality * coefficient)
        assert {name: values[name] for name in record.costs} == record.costs
        assert values["f1_eyes"] == record.groups["eyes"]


def test_a_study_is_read_with_another_quality(finished_run) -> None:
    run = RunFolder.open(finished_run)
    reading = Reading(
        "flops", {"metric": "iou", "aggregate": "minimum", "classes": ("skin", "hair")}
    )
    (series,) = read_series([run], reading)
    for candidate, record in zip(series.candidates, complete_records(read_study(run)), strict=True):
        iou = record.scores["iou"]
        assert candidate.values["quality"] == pytest.approx(min(iou["skin"], iou["hair"]))


def test_every_run_keeps_its_own_penalties_when_the_quality_is_read_anew(own_run, tmp_path) -> None:
    other = RunFolder.open(shutil.copytree(own_run, tmp_path / "other"))
    _change_reward(other, penalties=())
    reading = Reading("flops", {"classes": ("background",)})
    penalised, plain = read_series([RunFolder.open(own_run), other], reading)
    for candidate in plain.candidates:
        assert candidate.values["reward"] == candidate.values["quality"] > 0
    for candidate in penalised.candidates:
        assert candidate.values["reward"] != candidate.values["quality"]


def test_runs_of_one_name_are_told_apart_by_their_paths(own_run, tmp_path) -> None:
    paths = [shutil.copytree(own_run, tmp_path / name / "run") for name in ("a", "b")]
    series = read_series([RunFolder.open(path) for path in paths], Reading("flops"))
    assert [search.name for search in series] == [str(path) for path in paths]


def test_the_first_penalised_cost_is_the_other_axis(own_run) -> None:
    run = RunFolder.open(own_run)
    (flops,) = run.config().reward.penalties
    params = flops.model_copy(update={"cost": "params"})
    for penalties, cost in (((params, flops), "params"), ((flops,), "flops"), ((), "flops")):
        _change_reward(run, penalties=penalties)
        assert default_cost(run) == cost


def test_a_cost_that_was_not_recorded_is_named(finished_run) -> None:
    with pytest.raises(
        UserError, match="trial 0 has no cost 'latency'; recorded are: params, macs"
    ):
        read_series([RunFolder.open(finished_run)], Reading("latency"))


def test_a_wrong_reward_is_refused(finished_run) -> None:
    with pytest.raises(UserError, match=r"reward: aggregate: .*'geometric_mean' or 'minimum'"):
        read_series([RunFolder.open(finished_run)], Reading("flops", {"aggregate": "median"}))


def test_a_run_without_finished_trials_is_refused(own_run, monkeypatch) -> None:
    monkeypatch.setattr("nas.report.runs.complete_records", lambda study: [])
    with pytest.raises(UserError, match="no trial is finished yet"):
        trained_records(RunFolder.open(own_run))


def _cut_short(run: RunFolder, monkeypatch: pytest.MonkeyPatch, numbers: set[int]) -> None:
    records = [
        replace(record, stopped="stage0") if record.number in numbers else record
        for record in complete_records(read_study(run))
    ]
    monkeypatch.setattr("nas.report.runs.complete_records", lambda study: records)


def test_a_trial_that_was_cut_short_is_no_candidate(finished_run, monkeypatch) -> None:
    run = RunFolder.open(finished_run)
    _cut_short(run, monkeypatch, {1})
    assert [record.number for record in trained_records(run)] == [0, 2]
    (search,) = read_searches([run], Reading("flops"))
    assert [candidate.trial for candidate in search.series.candidates] == [0, 2]
    assert [record.number for record in search.complete] == [0, 1, 2]


def test_a_run_whose_trials_were_all_cut_short_is_refused(finished_run, monkeypatch) -> None:
    run = RunFolder.open(finished_run)
    _cut_short(run, monkeypatch, {0, 1, 2})
    with pytest.raises(UserError, match="every finished trial was cut short; wait for one"):
        trained_records(run)


def test_a_trial_measured_beyond_a_limit_is_no_candidate(finished_run, monkeypatch) -> None:
    run = RunFolder.open(finished_run)
    beyond = {"latency": Breach(5.0, 6.0)}
    records = [
        replace(record, beyond=beyond if record.number else {})
        for record in complete_records(read_study(run))
    ]
    monkeypatch.setattr("nas.report.runs.complete_records", lambda study: records)
    assert [record.number for record in trained_records(run)] == [0]
    records[0] = replace(records[0], beyond=beyond)
    with pytest.raises(UserError, match="was cut short or measured beyond a limit; wait for one"):
        trained_records(run)
