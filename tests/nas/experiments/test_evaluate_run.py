from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nas.tasks
from nas.errors import UserError
from nas.experiments.evaluation import evaluate_run
from nas.kinds.classification.scoring import score_classifier
from nas.kinds.network_file import load


@pytest.fixture(scope="module")
def run(teacher, tmp_path_factory):
    return shutil.copytree(teacher, tmp_path_factory.mktemp("evaluated") / "run")


def test_every_network_is_scored_on_the_split_with_each_kind_of_views(run):
    seen = []
    evaluation = evaluate_run(run, "test", ("none", "flip"), "cpu", on_network=seen.append)
    assert seen == ["seed-0", "seed-1"]
    assert evaluation.seeds == (0, 1)
    task = nas.tasks.load("digits", size=8, train=60, validation=40, test=40)
    for views in ("none", "flip"):
        for index, seed in enumerate(evaluation.seeds):
            network = load(run / f"seed-{seed}")
            card = score_classifier(network, task, "test", torch.device("cpu"), views)
            figures = evaluation.figures[views]
            assert figures["accuracy"][index] == card.figures["accuracy"]
            assert figures["mean_class_accuracy"][index] == card.figures["mean_class_accuracy"]


def test_what_mirroring_exchanges_cannot_be_told_apart_with_mirrored_views(train, tmp_path):
    """Images that grow brighter to the right, and their mirror images: the means are the same."""
    data = {"task": str(_ramps(tmp_path / "ramps")), "task_options": {"input_size": [8, 8]}}
    train(tmp_path / "run", **data, seeds=2, training__epochs=20, training__batch_size=8)
    evaluation = evaluate_run(tmp_path / "run", "test", ("none", "flip"), "cpu")
    assert evaluation.figures["none"]["accuracy"] == [1.0, 1.0]
    assert evaluation.figures["flip"]["accuracy"] == [0.5, 0.5]


def _ramps(folder: Path) -> Path:
    for index, split in enumerate(("train", "validation", "test")):
        for brightest in range(128 + index, 256, 16):
            ramp = np.tile(np.linspace(0, brightest, 8, dtype=np.uint8), (8, 1))
            for name, pixels in {"rising": ramp, "falling": ramp[:, ::-1]}.items():
                path = folder / split / name / f"{brightest}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return folder


def test_the_validation_figures_are_those_of_the_training(run):
    evaluation = evaluate_run(run, "validation", device="cpu")
    record = json.loads((run / "metrics.json").read_text())["validation"]
    assert evaluation.figures == {"none": {key: record[key]["values"] for key in record}}
    assert evaluate_run(run, "validation", device="cpu") == evaluation


def test_the_figures_are_written_beside_the_networks(run):
    evaluation = evaluate_run(run, "validation", device="cpu")
    record = json.loads((run / "evaluation-validation.json").read_text())
    values = evaluation.figures["none"]["accuracy"]
    assert record["seeds"] == [0, 1]
    assert record["none"]["accuracy"]["values"] == values
    assert record["none"]["accuracy"]["mean"] == pytest.approx(sum(values) / 2)
    spread = abs(values[0] - values[1]) / 2**0.5
    assert record["none"]["accuracy"]["std"] == pytest.approx(spread)


def test_what_is_no_run_is_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"no config.yaml there; give the folder of a run of nas"):
        evaluate_run(tmp_path, "test")
    (tmp_path / "config.yaml").write_text("space: {}")
    with pytest.raises(UserError, match=r"no trained network there; make one with nas train or"):
        evaluate_run(tmp_path, "test")
    with pytest.raises(UserError, match=r"no split 'tset'; did you mean 'test'"):
        evaluate_run(run, "tset")


def test_the_most_thorough_views_are_those_of_the_kind(run):
    evaluation = evaluate_run(run, "validation", (None, "ten_crop"), "cpu")
    assert list(evaluation.figures) == ["ten_crop"]
