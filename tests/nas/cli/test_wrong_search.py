"""Wrong input of a search: one sentence, exit code 2, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

SEARCH_OPTIONS = {
    "negative base": (
        ["--penalty", "flops", "--base=-5"],
        ["reward.penalties.0.base: must be above 0 or 'auto', not -5"],
    ),
    "infinite base": (["--penalty", "flops", "--base", "inf"], ["'flops' must be finite"]),
    "positive exponent": (
        ["--penalty", "flops", "--exponent", "0.5"],
        ["reward.penalties.0.exponent: must be 0 or below, not 0.5"],
    ),
    "unknown cost": (
        ["--penalty", "watts"],
        ["no cost 'watts'", "known: params, macs, flops, latency, memory, energy"],
    ),
    "no penalty with an exponent": (
        ["--penalty", "none", "--exponent=-0.5"],
        ["--penalty none goes with no other penalty, exponent or base"],
    ),
    "no penalty and a penalty": (["--penalty", "none,flops"], ["--penalty none goes with no"]),
    "exponent without penalty": (["--exponent=-0.5"], ["--exponent and --base need a --penalty"]),
    "one base for two penalties": (
        ["--penalty", "flops", "--penalty", "params", "--base", "5"],
        ["--base fits a single penalty", "--config"],
    ),
    "penalty given twice": (
        ["--penalty", "flops", "--penalty", "flops"],
        ["a cost is penalised twice: flops, flops"],
    ),
    "unknown controller": (
        ["--controller", "randm"],
        ["there is no controller 'randm'", "did you mean 'random'?"],
    ),
    "unknown controller setting": (
        ["--controller", "evolution", "--set", "controller.settings.populaton=5"],
        ["controller evolution: unknown key 'populaton'; did you mean 'population'?"],
    ),
    "unknown space": (["--space", "fastnass"], ["'fastnass'", "did you mean 'fastnas'?"]),
    "unknown preset": (["--preset", "smal"], ["no preset 'smal'", "search, released, small"]),
    "preset of an unknown space": (
        ["--space", "none", "--preset", "small"],
        ["there is no search space 'none'; choose one of fastnas"],
    ),
    "unknown space option": (
        ["--space", "fastnas", "--set", "space.options.cell=2"],
        ["no option 'cell'; did you mean 'cells'?"],
    ),
    "wrong space size": (
        ["--space", "fastnas", "--set", "space.options.cells=0"],
        ["cells must be a whole number of at least 1, not 0"],
    ),
    "no trials": (["--trials", "0"], ["trials: ", "greater than or equal to 1"]),
    "no workers": (["--workers", "0"], ["workers: ", "greater than or equal to 1"]),
    "negative seed": (["--seed=-1"], ["seed: ", "greater than or equal to 0"]),
    "set without value": (
        ["--set", "trials"],
        ["--set 'trials': expected KEY=VALUE, for example trials=50"],
    ),
    "set without key": (["--set", "=3"], ["--set '=3': expected KEY=VALUE"]),
    "set without YAML": (["--set", "trials=[3"], ["--set 'trials=[3': the value is not YAML"]),
    "set through a value": (
        ["--set", "trials.most=3"],
        ["'trials.most' cannot be set: 'trials' holds a value"],
    ),
    "set of an unknown key": (
        ["--set", "evaluation.stage0.epoch=3"],
        ["unknown key 'evaluation.stage0.epoch'; did you mean 'epochs'?"],
    ),
    "unknown device": (["--device", "gpu"], ["device 'gpu' is not known; use auto, cpu, cuda"]),
    "absent device": (["--device", "cuda:63"], ["device 'cuda:63' was asked for, but"]),
    "unknown reward class": (
        ["--set", "reward.classes=[nos]"],
        ["reward class 'nos' is not a class of task 'faces'", "nose"],
    ),
    "unknown metric": (["--set", "reward.metric=f2"], ["reward.metric: ", "'f2'", "iou"]),
    "unknown task option": (
        ["--set", "task_options.sise=32"],
        ["task faces: unknown key 'sise'; did you mean 'size'?"],
    ),
    "unknown task": (["--task", "fases"], ["no task or file 'fases'", "did you mean 'faces'?"]),
    "images for drawn faces": (
        ["--task", "faces", "--data", "."],
        ["'faces' brings its own images; remove --data"],
    ),
    "missing data folder": (["--data", "photos"], ["photos: no such folder; correct --data"]),
    "folder without task.yaml": (
        ["--data", "."],
        ["no task.yaml in this folder, and no known layout"],
    ),
    "both stages off": (
        ["--set", "evaluation.stage0.enabled=false"],
        ["stage0 and stage1 are both off, so no candidate would be trained"],
    ),
    "unknown distillation": (
        ["--set", "evaluation.distillation.method=hint"],
        ["distillation loss 'hint' compares features", "choose one of logit_mse, soft_target"],
    ),
    "unknown distillation option": (
        ["--set", "evaluation.distillation.options.heat=2"],
        ["distillation loss 'channel_wise'"],
    ),
    "teacher of the task's encoder": (
        ["--set", "evaluation.teacher.encoder.weights=task"],
        ["this network is itself trained on the task"],
    ),
    "missing configuration": (["--config", "none.yaml"], ["none.yaml: no such file"]),
}


@pytest.mark.parametrize(("options", "parts"), SEARCH_OPTIONS.values(), ids=SEARCH_OPTIONS)
def test_wrong_options_of_a_search(refused, tiny, options, parts) -> None:
    line = refused("search", "--run", "new", *tiny, *options)
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"trails: 5\n", ["unknown key 'trails'; did you mean 'trials'?"]),
        (
            b"reward: {penalties: [{cost: flops, exponnet: -1}]}",
            ["unknown key 'reward.penalties.0.exponnet'; did you mean 'exponent'?"],
        ),
        (b"evaluation: [stage0\n", ["not a YAML file", "line 2"]),
        (b"\xff\xfe\x00", ["line 1 is not text in UTF-16; save the file as UTF-8"]),
        (b"a search please\n", ["expected keys and values, found str"]),
        (b"trials: many\n", ["trials: ", "valid integer"]),
    ],
    ids=["unknown key", "unknown key in a list", "no YAML", "no text", "no keys", "wrong value"],
)
def test_wrong_configuration_files(refused, tiny, tmp_path, content, parts) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    line = refused("search", "--run", "new", *tiny, "--config", "mine.yaml")
    for part in ["mine.yaml: ", *parts]:
        assert part in line


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"clases": ["a", "b"]}, ["unknown key 'clases'; did you mean 'classes'?"]),
        (
            {"reward_classes": ["frut"]},
            ["reward_classes: unknown class 'frut'; did you mean 'fruit'?"],
        ),
        ({"images": "photos"}, ["leaves/photos: no such folder"]),
        ({"splits": {"train": {"names": "list.txt"}}}, ["list.txt: no such file"]),
        ({"input_size": [16, 16]}, ["input_size: ", "at least 32 pixels"]),
    ],
    ids=["unknown key", "reward class", "no folder", "no list", "size"],
)
def test_wrong_task_files(refused, tiny_own_data, task_folder, changes, parts) -> None:
    task_folder.describe(**changes)
    line = refused("search", "--data", "leaves", "--run", "new", *tiny_own_data)
    for part in parts:
        assert part in line


def test_wrong_reward_class_of_a_task_of_ones_own(refused, tiny_own_data, task_folder) -> None:
    options = ("--set", "reward.classes=[stone]")
    line = refused("search", "--data", "leaves", "--run", "new", *tiny_own_data, *options)
    assert "reward class 'stone' is not a class of task 'leaves'; it has: ground, leaf" in line


def test_run_folder_in_use(refused, tiny, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    line = refused("search", "--run", "mine", *tiny)
    assert "mine: already in use; continue that search with --resume, or choose another" in line


def test_run_folder_of_another_search(refused, tiny, finished_run) -> None:
    line = refused("search", "--run", finished_run, *tiny, watched=finished_run)
    assert f"{finished_run}: already in use; continue that search with --resume" in line


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--preset", "released"], ["'space.options.branches' cannot be changed"]),
        (["--set", "space.options.width=16"], ["'space.options.width' cannot be changed"]),
        (["--penalty", "params"], ["'reward.penalties' cannot be changed"]),
        (["--task", "leaves"], ["'task' cannot be changed with --resume", "start a new search"]),
        (["--trials", "0"], ["--resume: trials: ", "greater than or equal to 1"]),
        (["--set", "trails=9"], ["--resume: unknown key 'trails'; did you mean 'trials'?"]),
        (["--config", "other.yaml"], ["'seed' cannot be changed with --resume"]),
        (["--config", "none.yaml"], ["none.yaml: no such file"]),
    ],
)
def test_resume_of_what_would_be_another_search(
    refused, finished_run, tmp_path, options, parts
) -> None:
    (tmp_path / "other.yaml").write_text("seed: 5\n")
    line = refused("search", "--run", finished_run, "--resume", *options, watched=finished_run)
    for part in parts:
        assert part in line


def test_resume_of_a_study_of_another_space(nas, own_run) -> None:
    config = own_run / "config.yaml"
    config.write_text(config.read_text().replace("width: 8", "width: 16"))
    study = read_study(RunFolder.open(own_run))
    trials, attributes = study.get_trials(), study.user_attrs
    outcome = nas("search", "--run", own_run, "--resume")
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert "'space.options.width' was changed from 8 to 16 after the search began" in line
    assert "start a new search." in line
    study = read_study(RunFolder.open(own_run))
    assert (study.get_trials(), study.user_attrs) == (trials, attributes)


UNMAKEABLE = {
    "unknown encoder": (["--encoder", "mobilenetv99"], "encoder 'mobilenetv99' cannot be made"),
    "unknown encoder option": (
        ["--set", "evaluation.encoder.options.pad=2"],
        "encoder 'mobilenetv3_small_050': the option 'pad' is not one that shapes a network",
    ),
    "missing weights": (
        ["--encoder-weights", "none.safetensors"],
        "encoder weights none.safetensors: not a readable safetensors file",
    ),
    "unreadable weights": (
        ["--encoder-weights", "leaves/task.yaml"],
        "encoder weights {folder}/leaves/task.yaml: not a readable safetensors file",
    ),
    "missing teacher": (["--distillation", "--teacher", "none"], "none"),
    "unknown storage": (["--storage", "nosql://x"], "cannot use the storage nosql://x"),
    "unknown latency device": (
        ["--penalty", "latency", "--set", "latency.device=phone"],
        "device 'phone' is not known",
    ),
}


@pytest.mark.parametrize(("options", "part"), UNMAKEABLE.values(), ids=UNMAKEABLE)
def test_what_a_search_cannot_be_made_of(refused, tiny, task_folder, options, part) -> None:
    line = refused("search", "--run", "new", *tiny, *options)
    assert part.format(folder=Path.cwd()) in line


def test_a_device_that_is_refused_on_resume_is_not_saved(refused, own_run) -> None:
    line = refused("search", "--run", own_run, "--resume", "--device", "gpu")
    assert "device 'gpu' is not known" in line
