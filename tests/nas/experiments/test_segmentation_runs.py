"""Segmentation networks are trained, taught and evaluated by the same code as classifiers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import nas
from nas.errors import UserError
from nas.experiments.config import experiment_config, read_experiment
from nas.experiments.evaluation import evaluate_run
from nas.experiments.run import run_experiment
from nas.kinds.segmentation.scoring import score_network
from nas.kinds.teacher import load_teacher
from nas.settings import overridden, validate

FACES = {
    "task": "faces",
    "task_options": {"size": 32, "train": 24, "validation": 8, "test": 8},
    "model": {"name": "lcnet_035", "strides": [4, 8, 16, 32]},
    "training": {"epochs": 3, "batch_size": 4, "augmentation": "none", "learning_rate": 0.01},
    "device": "cpu",
}
STAGES = [
    {
        "name": "hint",
        "train": ["encoder"],
        "task_weight": 0,
        "losses": [{"method": "hint", "student": "stride=8"}],
        "training": {"epochs": 1},
    },
    {
        "name": "soft",
        "losses": [{"method": "channel_wise"}],
        "training": {"epochs": 2},
    },
]
CPU = torch.device("cpu")


class Interrupted(BaseException):
    """What a signal is to a test."""


def config(**changes):
    return validate(experiment_config("segmentation"), overridden(FACES, changes), "settings")


@pytest.fixture(scope="module")
def train(whole_faces):
    """Trains a configuration, and gives the summary and what was told."""

    def run(folder, on_epoch=lambda what, record, epochs: None, **changes):
        said, seen = [], []

        def told(what, record, epochs):
            seen.append((what, record.epoch))
            on_epoch(what, record, epochs)

        summary = run_experiment(
            config(**changes), folder, task=whole_faces, on_epoch=told, say=said.append
        )
        return summary, seen, said

    return run


@pytest.fixture(scope="module")
def face_teacher(train, tmp_path_factory) -> Path:
    """A run of one seed, not to be written to."""
    folder = tmp_path_factory.mktemp("faces") / "teacher"
    train(folder)
    return folder


@pytest.fixture(scope="module")
def taught(train, face_teacher, tmp_path_factory):
    """A run of two seeds in two stages: its folder, summary, epochs and what was said."""
    folder = tmp_path_factory.mktemp("faces") / "taught"
    return folder, *train(folder, teacher=str(face_teacher), stages=STAGES, seeds=2, seed=1)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_leaves_its_settings_its_networks_and_its_figures(face_teacher):
    seed = {f"seed-0/{name}" for name in ("log.csv", "metrics.json", "model.safetensors")}
    assert files(face_teacher) == {"config.yaml", "metrics.json", *seed}
    record = yaml.safe_load((face_teacher / "config.yaml").read_text())
    assert record["model"]["strides"] == [4, 8, 16, 32]
    assert read_experiment(face_teacher).identity() == config().identity()


def test_a_network_is_described_by_its_file(face_teacher, whole_faces):
    description = nas.describe(face_teacher / "seed-0")
    assert description.kind == "segmentation"
    assert description.classes == whole_faces.classes
    logits = nas.load(face_teacher / "seed-0")(torch.zeros(1, 3, 32, 32))
    assert logits.shape == (1, 11, 32, 32)


def test_two_seeds_are_taught_in_stages(taught, face_teacher):
    folder, summary, seen, said = taught
    epochs = [("hint", 0), ("soft", 0), ("soft", 1)]
    assert seen == [(f"seed-{seed} {stage}", n) for seed in (1, 2) for stage, n in epochs]
    assert said[0].startswith(f"teacher {face_teacher / 'seed-0/model.safetensors'}: mean F1 0.")
    assert summary.seeds == (1, 2)
    assert set(summary.validation) == {"mean_iou", "macro_f1"}
    assert summary.stages["soft"] == summary.validation["mean_iou"]
    record = json.loads((folder / "metrics.json").read_text())
    assert record["validation"]["macro_f1"]["values"] == summary.validation["macro_f1"]
    single = json.loads((face_teacher / "seed-0/metrics.json").read_text())["validation"]
    assert record["teacher"] == {key: single[key] for key in ("mean_iou", "macro_f1")}


def test_each_seed_has_weights_of_its_own(taught):
    first, second = (load_file(taught[0] / f"seed-{n}/model.safetensors") for n in (1, 2))
    assert not torch.equal(first["decoder.smooth.0.weight"], second["decoder.smooth.0.weight"])


def test_a_run_that_is_cut_off_goes_on_bit_for_bit(taught, train, face_teacher, tmp_path):
    def interrupt(what, record, epochs):
        if (what, record.epoch) == ("seed-1 soft", 0):
            raise Interrupted

    changes = {"teacher": str(face_teacher), "stages": STAGES, "seed": 1}
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", interrupt, **changes)
    _, seen, _ = train(tmp_path / "cut", **changes)
    assert seen == [("seed-1 soft", 1)]
    ends = [load_file(run / "seed-1/model.safetensors") for run in (tmp_path / "cut", taught[0])]
    assert all(torch.equal(ends[1][key], value) for key, value in ends[0].items())
    assert not list(tmp_path.rglob("*.pt"))


def test_the_network_has_the_weights_of_its_best_epoch(face_teacher, whole_faces):
    teacher = load_teacher(face_teacher, whole_faces, CPU)
    record = json.loads((face_teacher / "seed-0/metrics.json").read_text())
    assert teacher.card.figures["mean_iou"] == record["validation"]["mean_iou"]
    header, *rows = (face_teacher / "seed-0/log.csv").read_text().splitlines()
    column = header.split(",").index("quality")
    # The quality is the mean F1.
    assert max(float(row.split(",")[column]) for row in rows) == teacher.card.macro["f1"]


def test_a_lesson_that_cannot_work_leaves_no_folder(train, face_teacher, tmp_path):
    stages = [STAGES[0], STAGES[1] | {"freeze": ["nowhere"]}]
    with pytest.raises(UserError, match=r"stage soft: freeze: .*no module 'nowhere'"):
        train(tmp_path / "run", teacher=str(face_teacher), stages=stages)
    assert not (tmp_path / "run").exists()


def test_a_run_is_evaluated_with_mirrored_views(taught, whole_faces, tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    evaluation = evaluate_run(taught[0], "test", ("none", None), "cpu")
    assert list(evaluation.figures) == ["none", "flip"]
    for index, seed in enumerate(evaluation.seeds):
        network = nas.load(taught[0] / f"seed-{seed}")
        for views in ("none", "flip"):
            card = score_network(network, whole_faces, "test", CPU, views)
            assert evaluation.figures[views]["mean_iou"][index] == card.figures["mean_iou"]
    with pytest.raises(UserError, match="'ten_crop': a segmentation task has none such; choose"):
        evaluate_run(taught[0], "test", ("ten_crop",), "cpu")
