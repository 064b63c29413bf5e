from __future__ import annotations

import json

import pytest

TINY = (
    *("--task", "digits", "--device", "cpu", "--model", "convnet_small", "--epochs", 8),
    *("--set", "task_options={size: 8, train: 60, validation: 40, test: 40}"),
    *("--set", "training={batch_size: 20, augmentation: none, learning_rate: 0.003}"),
)


@pytest.fixture(scope="module")
def run(nas, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    outcome = nas("train", *TINY, "--seeds", 2, "--run", folder)
    assert outcome.code == 0, outcome.err
    return folder


def rows(outcome):
    """Cells of the table by the name of the row."""
    lines = (line.split("│") for line in outcome.out.splitlines() if line.startswith("│"))
    return {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in lines}


def test_the_validation_split_is_scored_unless_another_is_named(nas, run):
    outcome = nas("evaluate", run, "--device", "cpu")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("Validation")
    figures = json.loads((run / "metrics.json").read_text())["validation"]["accuracy"]
    shown = [f"{figures['mean']:.4f} ± {figures['std']:.4f}"]
    assert rows(outcome)["accuracy"] == shown + [f"{value:.4f}" for value in figures["values"]]


@pytest.mark.parametrize(
    ("options", "views", "label"),
    [
        ((), "ten_crop", "ten crops"),
        (("--views", "flip"), "flip", "flipped too"),
        (("--views", "ten_crop"), "ten_crop", "ten crops"),
    ],
)
def test_figures_come_with_and_without_augmentation(nas, run, options, views, label):
    outcome = nas("evaluate", run, "--split", "test", "--tta", *options, "--device", "cpu")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("Test")
    record = json.loads((run / "evaluation-test.json").read_text())
    assert set(record) == {"split", "seeds", "checkpoint", "none", views}
    found = rows(outcome)
    for name, key in (("accuracy", "accuracy"), ("mean per-class accuracy", "mean_class_accuracy")):
        for row, kind in ((name, "none"), (f"{name}, {label}", views)):
            values = record[kind][key]["values"]
            assert found[row][1:] == [f"{value:.4f}" for value in values]


def test_an_evaluation_repeats(nas, run):
    first, second = (nas("evaluate", run, "--tta", "--device", "cpu") for _ in range(2))
    assert first.out == second.out
