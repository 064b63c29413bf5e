"""Sweeps of tiny trainings: complete, cut off, continued, and those that cannot be."""

from __future__ import annotations

import csv
import json

import pytest
from typer.testing import CliRunner

import nas
from nas.cli.app import app
from nas.errors import UserError
from nas.report.sweeps import plot_sweep
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study
from nas.sweeping.run import read_sweep
from nas.training.loop import Loop

RATES = {"training.learning_rate": [0.01, 0.001]}
TINY = {
    "task_options": {"size": 8, "train": 60, "validation": 40, "test": 40},
    "training": {"batch_size": 20, "augmentation": "none"},
}


def sweep(folder, settings=RATES, **options):
    values = {"epochs": 1, "seeds": 2, "device": "cpu", "progress": False, "config": TINY}
    return nas.sweep("digits", "convnet_small", settings, run=folder, **{**values, **options})


def times(folder):
    """When each training wrote its result."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("points/*/seed-*/metrics.json")}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("sweeps") / "rates")


def test_every_point_is_a_run_with_figures_for_each_seed(swept) -> None:
    points = swept.summary.points
    assert [point.values for point in points] == [
        {"training.learning_rate": r} for r in (0.01, 0.001)
    ]
    assert all(len(point.validation["accuracy"]) == 2 for point in points)
    found = nas.evaluate(points[1].folder, "validation", device="cpu")
    assert found.figures["none"]["accuracy"] == points[1].validation["accuracy"]


def test_points_differ_by_the_setting_alone(swept) -> None:
    one, other = (
        nas.train(
            "digits",
            "convnet_small",
            run=point.folder,
            epochs=1,
            seeds=2,
            device="cpu",
            progress=False,
            config={**TINY, "training": {**TINY["training"], **rate}},
        )
        for point, rate in zip(
            swept.summary.points, ({"learning_rate": 0.01}, {"learning_rate": 0.001}), strict=True
        )
    )
    assert one.summary.validation == swept.summary.points[0].validation
    assert other.summary.validation == swept.summary.points[1].validation


def test_tables_tell_number_mean_and_sample_deviation(swept) -> None:
    rows = list(csv.DictReader((swept.path / "sweep.csv").open()))
    first = next(row for row in rows if row["figure"] == "accuracy")
    values = swept.summary.points[0].validation["accuracy"]
    assert first["row"] == "training.learning_rate=0.01"
    assert first["n"] == "2"
    assert float(first["mean"]) == pytest.approx(sum(values) / 2, abs=1e-4)
    assert float(first["sample std"]) == pytest.approx(
        abs(values[0] - values[1]) / 2**0.5, abs=1e-4
    )
    assert (
        "| training.learning_rate=0.001 | accuracy | 2 |" in (swept.path / "sweep.md").read_text()
    )
    assert (swept.path / "plots" / "sweep.png").stat().st_size > 0


def test_the_picture_shows_means_over_the_setting(swept) -> None:
    (axes,) = plot_sweep(swept.summary).axes
    line = axes.lines[0]
    means = [sum(p.validation["accuracy"]) / 2 for p in swept.summary.points]
    assert list(line.get_xdata()) == [0.01, 0.001]
    assert list(line.get_ydata()) == pytest.approx(means)


def test_it_is_read_as_a_search(swept) -> None:
    trials = nas.open(swept.path).trials()
    assert [trial["state"] for trial in trials] == ["complete", "complete"]


def test_repeating_trains_nothing(swept) -> None:
    before = times(swept.path)
    again = sweep(swept.path)
    assert times(swept.path) == before
    assert again.records() == swept.records()


def test_other_settings_are_refused(swept) -> None:
    with pytest.raises(UserError, match=r"holds a sweep of other settings \(settings.training"):
        sweep(swept.path, {"training.learning_rate": [0.01, 0.1]})
    with pytest.raises(UserError, match=r"experiment\.training\.epochs"):
        sweep(swept.path, epochs=2)


def test_an_interrupted_sweep_goes_on_from_its_last_epoch(tmp_path, monkeypatch) -> None:
    whole, epochs = Loop.epoch, []

    def counted(self, index, scale):
        epochs.append(index)
        if len(epochs) == 4:
            raise KeyboardInterrupt
        return whole(self, index, scale)

    monkeypatch.setattr(Loop, "epoch", counted)
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path / "run", epochs=2, seeds=1)
    assert epochs == [0, 1, 0, 1]
    found = sweep(tmp_path / "run", epochs=2, seeds=1)
    assert epochs == [0, 1, 0, 1, 1]
    assert len(found.summary.trained) == 2


def test_more_seeds_are_added_to_every_point(tmp_path) -> None:
    sweep(tmp_path / "run", seeds=1)
    before = times(tmp_path / "run")
    found = sweep(tmp_path / "run", seeds=2)
    after = times(tmp_path / "run")
    assert before.items() <= after.items()
    assert [len(p.validation["accuracy"]) for p in found.summary.points] == [2, 2]
    (trial, _) = read_study(RunFolder.open(tmp_path / "run")).get_trials()
    cards = [
        json.loads((found.summary.points[0].folder / f"seed-{seed}" / "metrics.json").read_text())
        for seed in (0, 1)
    ]
    one, other = (card["validation"]["scores"]["f1"] for card in cards)
    means = {name: (value + other[name]) / 2 for name, value in one.items()}
    assert trial.user_attrs["scores"]["f1"] == pytest.approx(means)


def test_a_point_that_diverges_is_told_and_the_others_are_trained(tmp_path) -> None:
    found = sweep(tmp_path / "run", {"training.learning_rate": [1e30, 0.001]}, seeds=1)
    diverged, trained = found.summary.points
    assert "diverged" in diverged.failure
    assert not diverged.validation
    assert trained.validation
    assert "diverged" in found.records()[0]["failure"]


def test_a_sweep_without_a_trained_point_says_why(tmp_path) -> None:
    with pytest.raises(UserError, match=r"no point could be trained: .*diverged"):
        sweep(tmp_path / "run", {"training.learning_rate": [1e30]}, seeds=1)


def test_several_workers_share_the_points(tmp_path) -> None:
    found = sweep(tmp_path / "run", seeds=1, workers=2)
    assert len(found.summary.trained) == 2
    assert {path.name for path in (found.path / "logs").iterdir()} == {
        "worker-0.log",
        "worker-1.log",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training.learning_rat": [1]}, "did you mean 'learning_rate'"),
        ({"training.epochs": [1, 0]}, "training.epochs=0: training.epochs"),
        ({"distill.weight": [1]}, "of a single loss, and there are 0"),
        ({"seeds": [1, 2]}, "seeds repeat every point"),
    ],
)
def test_wrong_settings_leave_no_folder(tmp_path, settings, message) -> None:
    with pytest.raises(UserError, match=message):
        sweep(tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_the_folder_of_something_else_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="in use"):
        sweep(tmp_path)


def test_the_weight_of_a_loss_is_swept_from_the_command_line(tmp_path) -> None:
    options = {**TINY["task_options"], "train": 300}
    common = ["--task", "digits", "--model", "convnet_small", "--device", "cpu"]
    common += ["--set", f"task_options={json.dumps(options)}"]
    common += ["--set", f"training={json.dumps(TINY['training'])}"]
    teacher, run = str(tmp_path / "teacher"), str(tmp_path / "run")
    trained = CliRunner().invoke(app, ["train", *common, "--epochs", "4", "--run", teacher])
    assert trained.exit_code == 0, trained.output
    common += ["--epochs", "1"]
    more = ["--teacher", teacher, "--method", "soft_target", "--run", run]
    outcome = CliRunner().invoke(
        app, ["distill", *common, *more, "--sweep", "distill.weight=0.5:1:0.5"]
    )
    assert outcome.exit_code == 0, outcome.output
    points = read_sweep(tmp_path / "run").points
    assert [point.values["distill.weight"] for point in points] == [0.5, 1.0]
    config = (points[0].folder / "config.yaml").read_text()
    assert "weight: 0.5" in config
    assert "distill.weight" in outcome.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "2"], "--workers belongs to --sweep"),
        (["--sweep", "training.epochs"], "expected KEY=VALUES"),
        (["--sweep", "seed=[1]", "--sweep", "seed=[2]"], "given twice"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, message) -> None:
    command = ["train", "--task", "digits", "--model", "convnet_small", *options]
    outcome = CliRunner().invoke(app, [*command, "--run", str(tmp_path / "run")])
    assert isinstance(outcome.exception, UserError)
    assert message in str(outcome.exception)
