"""Int8 networks that are trained as they are executed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import latency
import nas
import nas.tasks
from nas.deployment.export import export
from nas.deployment.int8 import Int8Options, calibration_images
from nas.deployment.onnx_export import ExportOptions
from nas.deployment.qat import FineTuning, fine_tune, lesson_of
from nas.deployment.trained_network import trained_network
from nas.errors import UserError
from nas.training.stages import StageTeacher

CPU = torch.device("cpu")
OPTIONS = {"size": 8, "train": 200, "validation": 100, "test": 100}
MODEL = {"name": "convnet_small"}


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load_classification("digits", **OPTIONS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A network, and another one that learned from it."""
    folder = tmp_path_factory.mktemp("runs")
    shared = {"device": "cpu", "progress": False, "epochs": 4}
    config = {"task_options": OPTIONS, "training.batch_size": 16, "training.learning_rate": 3e-3}
    nas.train("digits", "convnet_small", run=folder / "alone", config=config, **shared)
    nas.distill(
        *("digits", "convnet_small", folder / "alone", "soft_target"),
        run=folder / "taught",
        config=config,
        **shared,
    )
    return folder


@pytest.fixture
def network(runs, tmp_path, task):
    shutil.copytree(runs / "alone", tmp_path / "alone")
    return trained_network(tmp_path / "alone" / "seed-0" / "model.safetensors", task)


def test_the_exported_file_scores_what_its_record_says(network, task, tmp_path) -> None:
    options = ExportOptions(int8=Int8Options(images=32))
    seen = []
    record = export(
        network,
        tmp_path / "net.onnx",
        options,
        task,
        "cpu",
        FineTuning({"epochs": 2}),
        lambda stage, epoch, epochs: seen.append((stage, epoch.epoch, epochs)),
    )
    assert seen == [("int8", 0, 2), ("int8", 1, 2)]
    tuned = record["int8"]
    assert tuned["fine_tuning"]["epochs"] == 2
    assert tuned["fine_tuning"]["teacher"] == "the float32 network"
    assert tuned["before_tuning"].keys() == {"validation", "test"}
    data = task.dataset("test")
    images = (data.images / 255 - torch.tensor(task.mean).reshape(1, -1, 1, 1)) / torch.tensor(
        task.std
    ).reshape(1, -1, 1, 1)
    logits = latency.predictor(tmp_path / "net.int8.onnx")(images.numpy().astype(np.float32))
    accuracy = float((logits.argmax(1) == data.targets.numpy()).mean())
    assert accuracy == pytest.approx(tuned["test"]["macro"]["top1"], abs=1e-6)
    assert not (tmp_path / "net.int8.training").exists()
    assert json.loads((tmp_path / "net.json").read_text())["int8"]["fine_tuning"]["epochs"] == 2


def test_it_recovers_what_coarse_weights_have_lost(network, task, tmp_path, monkeypatch) -> None:
    """With weights of three bits, the file is far from the float one, and training it helps."""
    monkeypatch.setattr("latency.exporting.fake_quantised.WEIGHT_LIMIT", 2)
    original, int8 = tmp_path / "net.onnx", tmp_path / "net.int8.onnx"
    latency.export_onnx(network.network, task.input_shape, original)
    images = calibration_images(task, Int8Options(64))
    latency.quantise_onnx(original, images, int8)
    expected = latency.predictor(original)(images)
    lesson = lesson_of(
        network.path, network.network, task, FineTuning({"epochs": 6, "augmentation": "none"}), CPU
    )
    from latency.exporting.fake_quantised import FakeQuantised

    coarse = tmp_path / "coarse.onnx"
    FakeQuantised(original, int8).write(coarse)
    before = latency.signal_to_noise(expected, latency.predictor(coarse)(images))
    monkeypatch.setattr("nas.deployment.qat._ALIKE", -100.0)
    fine_tune(original, int8, images, lesson, task, CPU, seed=0)
    after = latency.signal_to_noise(expected, latency.predictor(int8)(images))
    assert after > before + 2


def test_a_network_that_was_taught_learns_from_its_teacher_again(runs, task) -> None:
    path = runs / "taught" / "seed-0" / "model.safetensors"
    lesson = lesson_of(path, trained_network(path, task).network, task, FineTuning(), CPU)
    assert Path(lesson.name) == runs / "alone" / "seed-0" / "model.safetensors"
    assert isinstance(lesson.teacher, StageTeacher)
    assert [loss.method for loss in lesson.losses] == ["soft_target"]
    assert lesson.task_weight == 1


def test_one_that_was_not_taught_learns_from_itself_alone(runs, task) -> None:
    path = runs / "alone" / "seed-0" / "model.safetensors"
    lesson = lesson_of(path, trained_network(path, task).network, task, FineTuning(), CPU)
    assert (lesson.name, lesson.task_weight) == ("the float32 network", 0)


def test_it_is_trained_as_the_network_was_with_a_tenth_of_the_rate(runs, task) -> None:
    path = runs / "alone" / "seed-0" / "model.safetensors"
    network = trained_network(path, task).network
    training = lesson_of(path, network, task, FineTuning(), CPU).training
    assert (training.epochs, training.batch_size) == (8, 16)
    assert training.learning_rate == pytest.approx(3e-4)
    changed = lesson_of(path, network, task, FineTuning({"learning_rate": 0.01}), CPU).training
    assert changed.learning_rate == 0.01
    with pytest.raises(UserError, match="training: unknown key 'speed'"):
        lesson_of(path, network, task, FineTuning({"speed": 1}), CPU)


def test_an_untuned_file_stays_where_no_epoch_is_better(network, task, tmp_path) -> None:
    original, int8 = tmp_path / "net.onnx", tmp_path / "net.int8.onnx"
    latency.export_onnx(network.network, task.input_shape, original)
    images = calibration_images(task, Int8Options(16))
    latency.quantise_onnx(original, images, int8)
    before = int8.read_bytes()
    ruinous = FineTuning({"epochs": 1, "learning_rate": 10.0, "polyak": None, "clip": None})
    lesson = lesson_of(network.path, network.network, task, ruinous, CPU)
    record = fine_tune(original, int8, images, lesson, task, CPU, seed=0)
    assert (record["epochs"], record["best_epoch"]) == (1, 0)
    assert int8.read_bytes() == before


def test_what_computes_something_else_is_refused(network, task, tmp_path, monkeypatch) -> None:
    original, int8 = tmp_path / "net.onnx", tmp_path / "net.int8.onnx"
    latency.export_onnx(network.network, task.input_shape, original)
    images = calibration_images(task, Int8Options(16))
    latency.quantise_onnx(original, images, int8)
    before = int8.read_bytes()
    lesson = lesson_of(network.path, network.network, task, FineTuning(), CPU)
    monkeypatch.setattr("nas.deployment.qat._ALIKE", 1000.0)
    with pytest.raises(latency.ExportError, match="something else than onnxruntime"):
        fine_tune(original, int8, images, lesson, task, CPU, seed=0)
    assert int8.read_bytes() == before
