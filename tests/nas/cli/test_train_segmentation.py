"""``nas train``, ``nas evaluate`` and ``nas distill`` with a segmentation task."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml

import nas as toolkit
import nas.tasks as tasks
from nas.kinds.network_file import save_network
from nas.kinds.segmentation.scoring import score_network

NETWORK = "mobilenetv3_small_050"
OPTIONS = (
    *("--model", NETWORK, "--weights", "none", "--device", "cpu"),
    *("--set", "training={batch_size: 4, augmentation: none, polyak: null}"),
)
FIGURES = {"mean IoU": "mean_iou", "mean F1": "macro_f1"}


@pytest.fixture(scope="module")
def trained(nas, leaves, tmp_path_factory):
    """A run of two seeds, not to be written to, and what its training printed."""
    folder = tmp_path_factory.mktemp("segmentation") / "run"
    options = ("--run", folder, "--task", leaves, *OPTIONS, "--epochs", 4, "--seeds", 2)
    outcome = nas("train", *options)
    assert outcome.code == 0, outcome.err
    return folder, outcome


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run, to be changed."""
    return shutil.copytree(trained[0], tmp_path / "teacher")


@pytest.fixture
def distill(nas, leaves, tmp_path):
    """Teaches a network for an epoch."""
    options = ("--task", leaves, *OPTIONS, "--epochs", 1, "--run", tmp_path / "student")
    return lambda *more: nas("distill", *options, *more)


def rows(outcome):
    """Cells of the table by the name of the row."""
    lines = (line.split("│") for line in outcome.out.splitlines() if line.startswith("│"))
    return {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in lines}


def cells(values):
    """How several values are shown, after their mean."""
    return [f"{value:.4f}" for value in values]


def files(folder):
    return {path.name for path in folder.iterdir()}


def test_networks_are_trained_over_seeds_and_summarised(trained):
    folder, outcome = trained
    assert files(folder) == {"config.yaml", "metrics.json", "seed-0", "seed-1"}
    assert files(folder / "seed-1") == {"log.csv", "metrics.json", "model.safetensors"}
    validation = json.loads((folder / "metrics.json").read_text())["validation"]
    found = rows(outcome)
    for name, key in FIGURES.items():
        assert found[name][1:] == cells(validation[key]["values"])
    # Three classes by chance alone reach a third.
    assert min(validation["macro_f1"]["values"]) > 1 / 3
    assert outcome.out.splitlines()[-1] == f"run: {folder}"


def test_a_saved_network_has_the_reported_scores(trained, leaves):
    folder = trained[0] / "seed-1"
    validation = json.loads((folder / "metrics.json").read_text())["validation"]
    task = tasks.load(str(leaves))
    card = score_network(toolkit.load(folder), task, "validation", torch.device("cpu"))
    assert validation["scores"] == card.scores
    assert validation["mean_iou"] == pytest.approx(card.figures["mean_iou"])


def test_other_settings_for_the_folder_are_refused(nas, run, leaves):
    outcome = nas("train", "--run", run, "--task", leaves, *OPTIONS, "--epochs", 5)
    assert (outcome.code, outcome.out) == (2, "")
    assert "it holds a run of other settings (training.epochs); choose another" in outcome.err


def test_figures_come_with_and_without_flipped_images(nas, run):
    outcome = nas("evaluate", run, "--split", "test", "--tta", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("Test")
    record = json.loads((run / "evaluation-test.json").read_text())
    # The images are stored with 40 pixels a side, and networks take 32.
    assert set(record) == {"split", "seeds", "checkpoint", "none", "flip", "own size"}
    found = rows(outcome)
    for name, key in FIGURES.items():
        assert found[name][1:] == cells(record["none"][key]["values"])
        assert found[f"{name}, flipped too"][1:] == cells(record["flip"][key]["values"])
        assert found[f"{name}, own size"][1:] == cells(record["own size"][key]["values"])


def test_a_run_stands_for_its_best_network_and_a_seed_for_itself(nas, run):
    figures = json.loads((run / "metrics.json").read_text())["validation"]["mean_iou"]["values"]
    best = run / f"seed-{figures.index(max(figures))}"
    for path, expected in [(run, best), (run / "seed-0", run / "seed-0")]:
        found, known = toolkit.load(path).state_dict(), toolkit.load(expected).state_dict()
        assert all(torch.equal(found[key], value) for key, value in known.items())
    scored = toolkit.evaluate(run / "seed-1", device="cpu")
    assert scored.seeds == (1,)
    assert scored.figures["none"]["mean_iou"] == [pytest.approx(figures[1])]
    outcome = nas("latency", run, "--runs", 20)
    assert outcome.code == 0, outcome.err
    assert nas("export", run).code == 0
    assert (best / "model.onnx").is_file()


def test_crops_are_refused(nas, run):
    outcome = nas("evaluate", run, "--tta", "--views", "ten_crop", "--device", "cpu")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "nas: views 'ten_crop': a segmentation task has none such; choose one of flip.\n"
    )


def test_a_network_is_taught_by_another_one(distill, run, tmp_path):
    outcome = distill(
        *("--teacher", run, "--method", "channel_wise", "--method", "hint", "--seeds", 2)
    )
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [line.split()[1] for line in lines if " epoch " in line] == ["seed-0", "seed-1"]
    best = max(json.loads((run / "metrics.json").read_text())["validation"]["mean_iou"]["values"])
    assert rows(outcome)["teacher, mean IoU"][0] == f"{best:.4f}"
    student = tmp_path / "student"
    assert lines[-1] == f"run: {student}"
    # What learns beside the network is not kept.
    assert files(student / "seed-1") == {"log.csv", "metrics.json", "model.safetensors"}


def test_a_teacher_no_better_than_chance_is_refused(distill, run, tmp_path):
    path = run / "seed-0" / "model.safetensors"
    network = toolkit.load(path)
    *_, weight, bias = network.parameters()
    with torch.no_grad():
        weight.zero_()
        bias.copy_(torch.tensor([5.0, 0.0, 0.0]))
    save_network(network, toolkit.describe(path), path)
    outcome = distill("--teacher", path, "--method", "channel_wise")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"teacher {path}: it is no better than chance on the validation images" in outcome.err
    assert "guessing reaches 0.333); train it longer" in outcome.err
    assert not (tmp_path / "student").exists()


def test_a_teacher_of_an_older_version_teaches_too(distill, run, leaves, tmp_path):
    """It is weights alone, beside a file that tells of the network."""
    from safetensors.torch import load_file, save_file

    old = tmp_path / "old"
    old.mkdir()
    save_file(load_file(run / "seed-0" / "model.safetensors"), old / "model.safetensors")
    settings = {
        "encoder": {"name": NETWORK, "weights": "none"},
        "strides": [2, 4, 8, 16, 32],
        "training": {"epochs": 4},
    }
    record = {"teacher": settings, "classes": list(tasks.load(str(leaves)).classes)}
    (old / "teacher.yaml").write_text(yaml.safe_dump(record))
    outcome = distill("--teacher", old, "--method", "logit_mse")
    assert outcome.code == 0, outcome.err
    values = json.loads((run / "metrics.json").read_text())["validation"]["mean_iou"]["values"]
    assert rows(outcome)["teacher, mean IoU"] == [f"{values[0]:.4f}"]
