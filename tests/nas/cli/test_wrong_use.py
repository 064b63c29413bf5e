"""Wrong input of the other commands: one sentence, exit code 2, and nothing is left behind."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["search", "--resume", "--run"], []),
        (["worker"], []),
        (["status"], []),
        (["retrain", "--best"], []),
        (["pareto", "list"], []),
        (["pareto", "plot"], []),
    ],
    ids=lambda value: "-".join(value).replace("--", ""),
)
@pytest.mark.parametrize("folder", ["none", "leaves"])
def test_what_is_no_run(refused, task_folder, arguments, parts, folder) -> None:
    line = refused(*arguments, folder)
    reason = {
        "none": "none: no such run folder",
        "leaves": "leaves: not a run folder (config.yaml or run.json is missing)",
    }
    assert reason[folder] in line


@pytest.mark.parametrize("command", [["status"], ["pareto", "list"], ["retrain", "--best"]])
def test_no_run_to_be_the_latest(refused, command) -> None:
    assert "no run in runs/; start one with nas search, or name its folder." in refused(*command)


RETRAIN_OPTIONS = {
    "nothing selected": ([], ["exactly one of --best, --trial N, --front and --genotype"]),
    "two selections": (["--best", "--front"], ["exactly one of --best"]),
    "unknown trial": (["--trial", 99], ["no finished trial 99; finished are: 0, 1, 2"]),
    "truncated genotype": (
        ["--genotype", "[[2,[0,1,3,4]]]"],
        ["--genotype: a genotype needs 2 parts", "has 1"],
    ),
    "genotype cut off": (["--genotype", "[[2,[0,1,3"], ["--genotype: a genotype is a JSON list"]),
    "truncated node": (
        ["--genotype", "[[2,[0,1,3]],[[1,0]]]"],
        ["--genotype: node 1 needs 4 parts", "has 3"],
    ),
    "position out of range": (
        ["--genotype", "[[2,[0,9,3,4]],[[1,0]]]"],
        ["--genotype: node 1 picks position 9, but only positions 0 to 1 exist"],
    ),
    "operation out of range": (
        ["--genotype", "[[2,[0,1,3,44]],[[1,0]]]"],
        ["node 1 picks operation 44, but only operations 0 to 10 exist"],
    ),
    "block input out of range": (
        ["--genotype", "[[2,[0,1,3,4]],[[1,4]]]"],
        ["block 1 picks input 4, but only inputs 0 to 3 exist"],
    ),
    "cost without front": (
        ["--best", "--cost", "params"],
        ["--cost", "give it together with --front"],
    ),
    "unknown cost of the front": (
        ["--front", "--cost", "memory"],
        ["no cost 'memory'; recorded are: params, macs, flops"],
    ),
    "no epochs": (["--best", "--epochs", 0], ["retraining: epochs: ", "equal to 1"]),
    "unknown setting": (
        ["--best", "--set", "batchsize=3"],
        ["retraining: unknown key 'batchsize'; did you mean 'batch_size'?"],
    ),
    "unknown opset": (["--best", "--opset", 99], ["opset 99 is not known; use 16 to 20"]),
    "unknown device": (["--best", "--device", "gpu"], ["device 'gpu' is not known"]),
    "absent device": (["--best", "--device", "cuda:63"], ["device 'cuda:63' was asked for, but"]),
}


@pytest.mark.parametrize(("options", "parts"), RETRAIN_OPTIONS.values(), ids=RETRAIN_OPTIONS)
def test_wrong_options_of_a_retraining(refused, finished_run, options, parts) -> None:
    line = refused("retrain", finished_run, *options, watched=finished_run)
    for part in parts:
        assert part in line


PARETO_OPTIONS = {
    "unknown format": (["plot", "--formats", "png,jpg"], ["no picture format 'jpg'; known: png"]),
    "no format": (["plot", "--formats", ""], ["no picture format ''"]),
    "unknown cost": (["list", "--cost", "memory"], ["no cost 'memory'; recorded are: params"]),
    "cost that was not measured": (["plot", "--cost", "latency"], ["no cost 'latency'"]),
    "unknown aggregate": (["list", "--aggregate", "median"], ["reward: aggregate: ", "'minimum'"]),
    "unknown class": (["list", "--classes", "nos"], ["reward class 'nos' is not a class"]),
    "one run to compare": (["compare"], ["needs two runs or more; for one use nas pareto plot"]),
}


@pytest.mark.parametrize(("arguments", "parts"), PARETO_OPTIONS.values(), ids=PARETO_OPTIONS)
def test_wrong_options_of_fronts(refused, finished_run, arguments, parts) -> None:
    command, *options = arguments
    line = refused("pareto", command, finished_run, *options, watched=finished_run)
    for part in parts:
        assert part in line


def test_comparing_a_run_with_itself(refused, finished_run) -> None:
    same = finished_run / ".." / finished_run.name
    line = refused("pareto", "compare", finished_run, same, watched=finished_run)
    assert "the run is given twice; name each run once." in line


def test_plots_into_a_file(refused, finished_run, tmp_path) -> None:
    (tmp_path / "plots").write_text("mine")
    line = refused("pareto", "plot", finished_run, "--output", "plots", watched=finished_run)
    assert "plots: cannot make a folder for plots (" in line


def test_a_network_on_data_that_fails_the_check(refused, task_folder) -> None:
    task_folder.save(task_folder.mask(7), "masks/03.png")
    line = refused("train", "--run", "new", "--task", "leaves", "--model", "lcnet_035")
    assert "leaves/masks/03.png: the value 7 is neither a class nor ignore_index 255." in line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["space", "show", "fastnass"], ["no search space 'fastnass'; did you mean 'fastnas'?"]),
        (["space", "sample", "--set", "cell=1"], ["no option 'cell'; did you mean 'cells'?"]),
        (["task", "check", "fases"], ["no task or file 'fases'", "did you mean 'faces'?"]),
        (["task", "check", "leaves", "--data", "none"], ["none: no such folder; correct --data"]),
        (["worker", "new", "--storage", "nosql://x"], ["cannot use the storage nosql://x"]),
        (["worker", "new", "--storage", "sqlite:///no.db"], ["sqlite:///no.db: no such file"]),
    ],
)
def test_wrong_use_of_the_other_commands(refused, task_folder, arguments, parts) -> None:
    line = refused(*arguments)
    for part in parts:
        assert part in line


def test_a_study_without_its_storage(refused, finished_run) -> None:
    line = refused("worker", finished_run, "--study", "mine", watched=finished_run)
    assert "--study needs the --storage that holds it." in line
