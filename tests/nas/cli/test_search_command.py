from __future__ import annotations

from pathlib import Path

import pytest

from nas.controllers.failures import INTERRUPTED
from nas.evaluation.evaluation import Decide, Evaluation, EvaluationError
from nas.evaluation.evaluator import Evaluator
from nas.searching.records import complete_records, read_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study
from search_spaces.genotype import Genotype


def _records(folder: Path):
    return read_records(read_study(RunFolder.open(folder)))


def test_a_search_makes_a_run_folder_with_the_trials_asked_for(finished_search) -> None:
    folder, outcome = finished_search
    assert outcome.code == 0 and outcome.err == ""
    assert [record.state for record in _records(folder)] == ["complete"] * 3
    assert {path.name for path in folder.iterdir()} == {
        *("config.yaml", "run.json", "study.db", "study.json", "cache", "plots", "retrain", "logs")
    }


def test_a_search_tells_of_the_teacher_the_base_every_trial_the_front_and_the_folder(
    finished_search,
) -> None:
    folder, outcome = finished_search
    lines = outcome.out.splitlines()
    assert sum("teacher  epoch" in line for line in lines) == 4
    assert any("teacher: mean F1 0." in line and "logits 11x32x32" in line for line in lines)
    assert any("base of the penalty on flops: 1." in line for line in lines)
    trials = [
        line.split("trial ")[1][0] for line in lines if "trial " in line and "  quality" in line
    ]
    assert trials == list("012")
    assert any("Pareto front of quality and flops: " in line for line in lines)
    assert lines[-1] == f"run folder: {folder}"


def test_options_land_in_the_saved_configuration(finished_search) -> None:
    config = RunFolder.open(finished_search[0]).config()
    assert config.controller.name == "random" and config.trials == 3
    assert config.evaluation.stage0.epochs == 1
    assert config.space.options == {"branches": 2, "cells": 1, "width": 8}
    assert config.reward.penalties[0].cost == "flops"
    assert isinstance(config.reward.penalties[0].base, float)


def test_a_preset_is_its_sizes(nas, tmp_path, tiny, monkeypatch) -> None:
    seen = {}

    def start(config, folder, assembly, import_path, look):
        seen.update(config.space.options, name=config.space.name)
        return RunFolder.create(folder, config)

    monkeypatch.setattr("nas.searching.search.start", start)
    monkeypatch.setattr("nas.cli.search._report", lambda run: None)
    sizes = {"branches": 3, "cells": 2, "width": 48, "repeats": 1}
    assert nas("search", "--run", tmp_path / "run", "--preset", "small").code == 0
    assert seen == {"name": "fastnas", **sizes}


def test_without_run_the_folder_is_named_after_task_and_time(
    nas, tmp_path, monkeypatch, tiny
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = nas("search", *tiny, "--trials", 1)
    assert outcome.code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("faces-2")
    # `nas status` without a name means the latest search.
    assert nas("status").out.splitlines()[0] == f"runs/{folder.name}"


def test_own_images_need_one_yaml_file(nas, tmp_path, task_folder, tiny_own_data) -> None:
    outcome = nas(
        *("search", "--data", task_folder.root, "--run", tmp_path / "run"),
        *(*tiny_own_data, "--trials", 1, "--penalty", "latency", "--base", 1),
    )
    assert outcome.code == 0, outcome.err
    record = _records(tmp_path / "run")[0]
    assert set(record.scores["f1"]) == {"ground", "leaf", "fruit"}
    assert record.costs["latency"] > 0
    assert "latency (ms)" in outcome.out


def test_a_finished_search_goes_on_when_more_trials_are_asked_for(nas, own_run) -> None:
    before = _records(own_run)
    outcome = nas("search", "--run", own_run, "--resume", "--trials", 4)
    assert outcome.code == 0, outcome.err
    after = _records(own_run)
    assert after[:3] == before
    assert [record.number for record in after if record.is_complete] == [0, 1, 2, 3]


def test_the_whole_first_command_can_be_repeated_with_resume(nas, own_run, tiny) -> None:
    options = [*tiny[: tiny.index("--no-distillation")], "--penalty", "flops"]
    outcome = nas("search", "--run", own_run, "--resume", *options)
    assert outcome.code == 0, outcome.err
    assert len(_records(own_run)) == 3


def test_resume_reads_the_configuration_file(nas, own_run, tmp_path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("trials: 4\nspace: {options: {width: 8}}\n")
    assert nas("search", "--run", own_run, "--resume", "--config", file).code == 0
    assert len(_records(own_run)) == 4


def test_ctrl_c_keeps_the_finished_trials(nas, tmp_path, tiny, monkeypatch) -> None:
    real, seen = Evaluator.evaluate, []

    def interrupt_the_second(
        self: Evaluator, genotype: Genotype, seed: int, decide: Decide
    ) -> Evaluation:
        seen.append(genotype)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(self, genotype, seed, decide)

    monkeypatch.setattr(Evaluator, "evaluate", interrupt_the_second)
    outcome = nas("search", "--run", tmp_path / "run", *tiny, "--trials", 2)
    assert outcome.code == 130
    assert outcome.err == "nas: interrupted; what is finished is kept: continue with --resume.\n"
    assert [record.failure for record in _records(tmp_path / "run")] == [None, INTERRUPTED]

    assert nas("search", "--run", tmp_path / "run", "--resume").code == 0
    kept = complete_records(read_study(RunFolder.open(tmp_path / "run")))
    assert [record.number for record in kept] == [0, 2]


def test_a_search_of_failing_candidates_ends_with_code_1_and_the_reason(
    nas, tmp_path, tiny, monkeypatch
) -> None:
    def fail(self: Evaluator, genotype: Genotype, seed: int, decide: Decide) -> Evaluation:
        raise EvaluationError("diverged: the loss is not finite")

    monkeypatch.setattr(Evaluator, "evaluate", fail)
    outcome = nas(
        *("search", "--run", tmp_path / "run", *tiny, "--set", "failures_in_a_row=2"),
    )
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith("nas: 2 candidates in a row failed, the last one (trial 1) with: ")
    assert "diverged: the loss is not finite; start a new search with a lower learning rate" in line
    status = nas("status", tmp_path / "run").out
    assert "0 of 3 complete" in status and "2 x EvaluationError: diverged" in status


@pytest.mark.parametrize("broken", ["image", "mask value", "mask missing"])
def test_data_that_fails_the_check_is_refused_before_anything_is_trained(
    nas, tmp_path, task_folder, tiny_own_data, monkeypatch, broken
) -> None:
    def train(*arguments: object, **options: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr("nas.kinds.segmentation.kind.prepare", train)
    path = task_folder.root / {"image": "images/03.jpg"}.get(broken, "masks/03.png")
    if broken == "mask value":
        task_folder.save(task_folder.mask(7), "masks/03.png")
    elif broken == "mask missing":
        path.unlink()
        path = task_folder.root / "images/03.jpg"
    else:
        path.write_bytes(path.read_bytes()[:200])
    run = tmp_path / "run"
    outcome = nas("search", "--data", task_folder.root, "--run", run, *tiny_own_data)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1 and f"{path}: " in outcome.err
    assert not run.exists()
