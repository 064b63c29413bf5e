from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

SHORT = ("--seeds", "2", "--trials", "6", "--dataset", "shapes")


def _benchmark(table: Path, *options: object) -> tuple[object, ...]:
    return ("benchmark", "nasbench201", "--table", table, *options)


def test_controllers_are_compared_in_one_table(nas, toy_table: Path) -> None:
    controllers = ("--controller", "random", "--controller", "evolution")
    settings = ("--set", "evolution.population=3", "--set", "evolution.sample=2")
    outcome = nas(*_benchmark(toy_table, *controllers, *settings, *SHORT))
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].strip() == "shapes: 2 searches of 6 evaluations"
    rows = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert rows == ["random", "evolution", "best by validation", "best by test"]


def test_figures_and_picture_are_written(nas, toy_table: Path, tmp_path: Path) -> None:
    output, plot = tmp_path / "out.json", tmp_path / "course.png"
    penalties = ("--penalty", "latency_ms_toy", "--exponent=-0.1", "--exponent=-0.4")
    files = ("--output", output, "--plot", plot)
    outcome = nas(
        *_benchmark(toy_table, *SHORT, *penalties, *files, "--at", "3", "--controller", "random")
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-2:] == [str(output), str(plot)]
    rows = json.loads(output.read_text())["repetitions"]
    assert [(row["controller"], row["seed"]) for row in rows] == [
        ("random (2 searches)", 0),
        ("random (2 searches)", 1),
    ]
    assert all(0 < row["hypervolume_share_at_3"] < 1 for row in rows)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_settings_of_the_only_controller_need_no_name(nas, toy_table: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    sets = ("--set", "population=1", "--set", "sample=1")
    options = ("--controller", "evolution", *sets, "--output", output, "--seed", "4", *SHORT)
    assert nas(*_benchmark(toy_table, *options)).code == 0
    with output.open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["4", "5"]


TWO = ["--controller", "random", "--controller", "evolution"]
WRONG = {
    "no seeds": (["--seeds", "0"], "benchmark: seeds: Input should be greater than or equal to 1"),
    "unknown controller": (
        ["--controller", "luck"],
        "there is no controller 'luck'; choose one of",
    ),
    "setting of nobody": (
        [*TWO, "--set", "population=3"],
        "--set population: say which controller this is for, for example random.population=",
    ),
    "unknown setting": (
        [*TWO, "--set", "evolution.size=3"],
        "controller evolution: unknown key 'size'; ",
    ),
    "unknown data set": (["--dataset", "stars"], "no data set 'stars'; the table has: shapes"),
    "unknown cost": (["--penalty", "watts"], "no cost 'watts' to penalise; known: macs, flops"),
    "exponent without penalty": (["--exponent=-1"], "--exponent and --base need a --penalty"),
    "positive exponent": (
        ["--penalty", "macs", "--exponent", "1"],
        "exponent: must be 0 or below, not 1.0",
    ),
    "hypervolume without penalty": (["--at", "5"], "needs a penalty"),
    "unknown size": (["--space.set", "depth=3"], "nasbench201 has no option 'depth'"),
    "unknown ending": (["--output", "x.txt"], "x.txt: the file must end in .csv or .json"),
    "picture without folder": (["--plot", "none/x.png"], "none/x.png: no folder none"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_option_is_refused_in_a_sentence(refused, toy_table: Path, case: str) -> None:
    options, sentence = WRONG[case]
    assert sentence in refused(*_benchmark(toy_table, *options))


def test_a_wrong_table_is_refused(refused, toy_table: Path) -> None:
    assert "none.npz: no such file" in refused(*_benchmark(Path("none.npz")))
    line = refused("benchmark", "fastnas", "--table", toy_table)
    assert "row 0 is not of the space 'fastnas'" in line


def test_a_table_takes_the_place_of_a_task(refused, toy_table: Path) -> None:
    line = refused("search", "--table", toy_table, "--task", "faces")
    assert "--table takes the place of images; leave out --task and --data" in line


def test_a_run_on_a_table_is_read_as_any_other(nas, toy_table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("--controller", "random", "--trials", "4", "--set", "dataset=shapes")
    outcome = nas("search", "--table", toy_table, *options, "--run", run)
    assert (outcome.code, outcome.err) == (0, "")
    assert "4 of 4 complete" in nas("status", run).out
    listed = nas("pareto", "list", run, "--cost", "latency_ms_toy")
    assert listed.code == 0 and "Pareto front of quality and latency_ms_toy" in listed.out
    outcome = nas("retrain", run, "--best")
    assert outcome.code == 2 and "it searched a table" in outcome.err
