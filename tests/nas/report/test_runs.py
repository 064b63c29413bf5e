from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.report.runs import Reading, Snapshot, different_data, read_searches, read_snapshot
from nas.searching.continuing import StudyData
from nas.searching.limits import Breach
from nas.searching.run_folder import RunFolder


def _read(folder: Path) -> Snapshot:
    return read_snapshot(RunFolder.open(folder))


def _with_reward(run: Snapshot, **changes: object) -> Snapshot:
    reward = run.config.reward.model_copy(update=changes)
    return replace(run, config=run.config.model_copy(update={"reward": reward}))


def _with_records(run: Snapshot, numbers: set[int], **changes: object) -> Snapshot:
    records = [replace(r, **changes) if r.number in numbers else r for r in run.records]
    return replace(run, records=tuple(records))


def test_a_candidate_has_its_recorded_figures_and_its_reward(finished_run) -> None:
    run = _read(finished_run)
    (search,) = read_searches([run], Reading("flops"))
    penalty = run.config.reward.penalties[0]
    assert search.series.name == "finished"
    for candidate, record in zip(search.series.candidates, run.complete, strict=True):
        values = candidate.values
        assert candidate.trial == candidate.iteration == record.number
        assert values["quality"] == record.quality
        coefficient = (record.costs["flops"] / penalty.base) ** penalty.exponent
        assert values["reward"] == pytest.approx(record.quality * coefficient)
        assert {name: values[name] for name in record.costs} == record.costs
        assert values["f1_eyes"] == record.groups["eyes"]


@pytest.mark.parametrize(
    ("genotype", "title"),
    [
        ('["resnet8","resnet14"]', "resnet8/resnet14"),
        ('["a name that is longer than any","other"]', "0"),
        ("[0,[1,2]]", "0"),
        ("|nor_conv_3x3~0|", "0"),
    ],
)
def test_a_genotype_of_a_few_words_names_its_candidate(finished_run, genotype, title) -> None:
    run = _with_records(_read(finished_run), {0}, genotype=genotype)
    (search,) = read_searches([run], Reading("flops"))
    (first,) = [one for one in search.series.candidates if one.trial == 0]
    assert first.title == title


def test_a_study_is_read_with_another_quality(finished_run) -> None:
    run = _read(finished_run)
    reading = Reading(
        "flops", {"metric": "iou", "aggregate": "minimum", "classes": ("skin", "hair")}
    )
    (search,) = read_searches([run], reading)
    for candidate, record in zip(search.series.candidates, run.complete, strict=True):
        iou = record.scores["iou"]
        assert candidate.values["quality"] == pytest.approx(min(iou["skin"], iou["hair"]))


def test_every_run_keeps_its_own_penalties_when_the_quality_is_read_anew(finished_run) -> None:
    run = _read(finished_run)
    other = _with_reward(replace(run, path=Path("other")), penalties=())
    reading = Reading("flops", {"classes": ("background",)})
    penalised, plain = (search.series for search in read_searches([run, other], reading))
    for candidate in plain.candidates:
        assert candidate.values["reward"] == candidate.values["quality"] > 0
    for candidate in penalised.candidates:
        assert candidate.values["reward"] != candidate.values["quality"]


def test_runs_of_one_name_are_told_apart_by_their_paths(finished_run, tmp_path) -> None:
    paths = [shutil.copytree(finished_run, tmp_path / name / "run") for name in ("a", "b")]
    searches = read_searches([_read(path) for path in paths], Reading("flops"))
    assert [search.series.name for search in searches] == [str(path) for path in paths]


def test_the_first_penalised_cost_is_the_other_axis(finished_run) -> None:
    run = _read(finished_run)
    (flops,) = run.config.reward.penalties
    params = flops.model_copy(update={"cost": "params"})
    for penalties, cost in (((params, flops), "params"), ((flops,), "flops"), ((), "flops")):
        assert _with_reward(run, penalties=penalties).default_cost == cost


def test_without_a_penalty_the_front_is_over_the_limited_cost(finished_run) -> None:
    run = _read(finished_run)
    limited = replace(run, config=run.config.model_copy(update={"limits": {"params": 2e6}}))
    assert limited.default_cost == "flops"
    assert _with_reward(limited, penalties=()).default_cost == "params"
    (search,) = read_searches([limited], Reading("params"))
    assert search.limits == {"params": 2e6}


def test_a_cost_that_was_not_recorded_is_named(finished_run) -> None:
    with pytest.raises(
        UserError, match="trial 0 has no cost 'latency'; recorded are: params, macs"
    ):
        read_searches([_read(finished_run)], Reading("latency"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aggregate": "median"}, r"reward: aggregate: .*'geometric_mean' or 'minimum'"),
        ({"classes": ("moon",)}, r"class 'moon' is not a class of .*; it has: background, skin, "),
        ({"metric": "auc"}, "trials have no scores of the metric 'auc'"),
        ({"metric": "recall"}, "reward: there is no metric 'recall'; choose one of f1, iou, "),
        (
            {"penalties": [{"cost": "latency", "base": 1.0}]},
            "no cost 'latency' to penalise; known: params, macs, flops",
        ),
    ],
)
def test_a_wrong_reward_is_refused(finished_run, changes, message) -> None:
    with pytest.raises(UserError, match=message):
        read_searches([_read(finished_run)], Reading("flops", changes))


def test_a_run_that_names_no_reward_classes_has_those_of_its_scores(finished_run) -> None:
    run = _with_reward(_read(finished_run), classes=None)
    everything = run.reward({"classes": tuple(run.records[0].scores["f1"])})
    scored = [replace(r, quality=everything.quality(r.scores)) for r in run.records]
    assert replace(run, records=tuple(scored)).reward() == everything


def test_a_run_whose_quality_is_of_unknown_classes_is_refused(finished_run) -> None:
    run = _with_reward(_read(finished_run), classes=None)
    with pytest.raises(UserError, match=r"does not say which classes earn reward.*background, "):
        run.reward()
    # Whoever names them can read it.
    assert run.reward({"classes": ("skin",)}).classes == ("skin",)


def test_a_run_without_finished_trials_is_refused(finished_run) -> None:
    with pytest.raises(UserError, match="no trial is finished yet"):
        replace(_read(finished_run), records=()).trained()


def test_a_trial_that_was_cut_short_is_no_candidate(finished_run) -> None:
    run = _with_records(_read(finished_run), {1}, stopped="stage0")
    assert [record.number for record in run.trained()] == [0, 2]
    (search,) = read_searches([run], Reading("flops"))
    assert [candidate.trial for candidate in search.series.candidates] == [0, 2]
    assert [record.number for record in search.complete] == [0, 1, 2]


def test_a_run_whose_trials_were_all_cut_short_is_refused(finished_run) -> None:
    run = _with_records(_read(finished_run), {0, 1, 2}, stopped="stage0")
    with pytest.raises(UserError, match="every finished trial was cut short; wait for one"):
        run.trained()


def test_a_trial_measured_beyond_a_limit_is_no_candidate(finished_run) -> None:
    beyond = {"latency": Breach(5.0, 6.0)}
    run = _with_records(_read(finished_run), {1, 2}, beyond=beyond)
    assert [record.number for record in run.trained()] == [0]
    run = _with_records(run, {0}, beyond=beyond)
    with pytest.raises(UserError, match="was cut short or measured beyond a limit; wait for one"):
        run.trained()


def _on(run: Snapshot, path: str, task: str | None, **others: str) -> Snapshot:
    data = None if task is None else StudyData({"task": task, **others})
    return replace(run, path=Path(path), data=data)


def test_runs_on_different_data_are_told(finished_run) -> None:
    run = _read(finished_run)
    told = different_data([_on(run, "a", "old"), _on(run, "b", "new"), _on(run, "c", "old")])
    assert told is not None
    assert told.startswith("the data of a, c and of b differ")


def test_nothing_is_told_of_other_teachers_and_of_runs_that_do_not_say(finished_run) -> None:
    run = _read(finished_run)
    same = [_on(run, "a", "old", teacher="x"), _on(run, "b", "old", teacher="y")]
    assert different_data([*same, _on(run, "c", None)]) is None
