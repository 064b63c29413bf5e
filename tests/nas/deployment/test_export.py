"""Networks that are trained already, on their way to ONNX."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml

import nas
from latency import predictor
from nas.deployment.export import default_path, export
from nas.deployment.int8 import Int8Options
from nas.deployment.onnx_export import ExportOptions
from nas.deployment.trained_network import NamedTask, file_of, task_of_training, trained_network
from nas.errors import UserError
from nas.experiments.config import experiment_config
from nas.files import write_json
from nas.kinds.classification.scoring import score_classifier
from nas.kinds.network_file import NetworkDescription, save_network
from nas.models.classifiers import ClassifierSettings
from nas.settings import validate

OPTIONS = {"size": 8, "train": 40, "validation": 30, "test": 20}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load_classification("digits", **OPTIONS)


@pytest.fixture(scope="module")
def made(task, tmp_path_factory) -> Path:
    """A run of two seeds, the second of which is better on the validation split."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    description = NetworkDescription.of(ClassifierSettings(name="convnet_small"), task)
    for seed, accuracy in enumerate((0.4, 0.6)):
        torch.manual_seed(seed)
        place = folder / f"seed-{seed}"
        save_network(description.build(), description, place / "model.safetensors")
        write_json(place / "metrics.json", {"validation": {"accuracy": accuracy}})
    values = {
        "task": "digits",
        "task_options": OPTIONS,
        "model": {"name": "convnet_small"},
        "device": "cpu",
    }
    config = validate(experiment_config("classification"), values, "settings")
    (folder / "config.yaml").write_text(yaml.safe_dump(config.identity()))
    return folder


@pytest.fixture
def run(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "digits")


def test_of_several_seeds_the_best_on_validation_is_taken(run) -> None:
    assert file_of(run) == run / "seed-1/model.safetensors"
    assert file_of(run / "seed-0") == run / "seed-0/model.safetensors"


def test_the_images_of_the_training_are_found_beside_the_network(run, task) -> None:
    path = run / "seed-0/model.safetensors"
    assert task_of_training(path, NamedTask()).fingerprint == task.fingerprint
    other = task_of_training(path, NamedTask(options={"train": 50}))
    assert len(other.dataset("train")) == 50
    alone = shutil.copytree(run / "seed-0", run.parent / "alone") / "model.safetensors"
    with pytest.raises(UserError, match=r"no file beside it tells .*; give --task"):
        task_of_training(alone, NamedTask())
    named = task_of_training(alone, NamedTask("digits", options=OPTIONS))
    assert named.fingerprint == task.fingerprint


def test_the_task_of_a_retrained_network_is_that_of_its_run(finished_search, tmp_path) -> None:
    run = shutil.copytree(finished_search[0], tmp_path / "run")
    path = run / "retrain/trial-0/model.safetensors"
    task = task_of_training(path, NamedTask())
    assert (task.name, task.input_size, len(task.dataset("train"))) == ("faces", (32, 32), 24)


def test_a_file_without_int8_needs_no_images(run) -> None:
    trained = trained_network(run / "seed-0", None)
    path = default_path(trained.path, ExportOptions())
    record = export(trained, path, ExportOptions())
    assert path == run / "seed-0/model.onnx"
    assert json.loads(path.with_suffix(".json").read_text()) == record
    assert record["input"]["shape"] == [1, 3, 8, 8] and len(record["classes"]) == 10
    assert record["onnx"]["largest_difference"] < 1e-4 and "int8" not in record
    images = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = nas.load(run / "seed-0")(images)
    np.testing.assert_allclose(predictor(path)(images.numpy()), expected.numpy(), atol=1e-4)


def test_other_options_get_another_name_and_no_file_is_lost(run) -> None:
    weights = run / "seed-0/model.safetensors"
    options = ExportOptions(17, dynamic_batch=True)
    path = default_path(weights, options)
    assert path.name == "model-opset17-dynamic.onnx"
    export(trained_network(weights, None), path, options)
    model = onnx.load(path)
    assert model.opset_import[0].version == 17
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_int8_is_scored_on_both_splits_beside_float32(run, task, tmp_path) -> None:
    trained = trained_network(run, task)
    path = tmp_path / "new" / "net.onnx"
    record = export(trained, path, ExportOptions(int8=Int8Options(8)), task, "cpu")
    assert {file.name for file in path.parent.iterdir()} == {
        *("net.onnx", "net.int8.onnx", "net.json")
    }
    network = nas.load(run / "seed-1")
    for split in ("validation", "test"):
        card = score_classifier(network, task, split, CPU)
        assert record[split]["macro"]["top1"] == pytest.approx(card.figures["accuracy"])
        assert record[split]["quality"] is None
        assert 0 <= record["int8"][split]["macro"]["top1"] <= 1
    assert record["int8"]["calibration_images"] == 8
    assert record["int8"]["int8"]["size"] < record["int8"]["float32"]["size"] == record["size"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (OPTIONS | {"size": 16}, r"trained with input_size \[8, 8\], and task 'digits' has \[16,"),
        (OPTIONS | {"train": 60}, "it was trained with mean"),
    ],
)
def test_images_of_another_kind_are_refused(run, options, message) -> None:
    with pytest.raises(UserError, match=message):
        trained_network(run, nas.tasks.load("digits", **options))


def test_a_task_of_another_kind_is_refused(run) -> None:
    faces = nas.tasks.load("faces", train=2, validation=2, test=2, size=32)
    with pytest.raises(UserError, match="a network for classification, and task 'faces' is one of"):
        trained_network(run, faces)


def test_what_is_no_network_is_refused(tmp_path, finished_search) -> None:
    with pytest.raises(UserError, match="none: no such file or folder"):
        file_of(tmp_path / "none")
    with pytest.raises(UserError, match=r"no model\.safetensors there; give a network that nas"):
        file_of(tmp_path)
    with pytest.raises(UserError, match=r"no network of this run is trained yet; nas retrain"):
        file_of(finished_search[0])
    run = shutil.copytree(finished_search[0], tmp_path / "run")
    (run / "retrain/trial-2").mkdir()
    (run / "retrain/trial-2/model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"give one of its retrained networks: .*trial-2\."):
        file_of(run)
