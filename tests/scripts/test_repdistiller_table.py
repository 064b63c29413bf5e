"""The protocol of the table of methods, and CIFAR-100."""

from __future__ import annotations

import pickle
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import nas.tasks
from nas.errors import UserError
from nas.experiments.config import experiment_config
from nas.settings import validate

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def table():
    return runpy.run_path(str(SCRIPTS / "repdistiller_table.py"))


def test_soft_targets_take_a_tenth_of_the_labels(table):
    how = table["protocol"]("resnet32x4:resnet8x4", 240)["soft_target"]
    assert how.task_weight == 0.1
    assert how.losses == [{"method": "soft_target", "weight": 0.9, "options": {"temperature": 4.0}}]


@pytest.mark.parametrize(
    ("pair", "maps"),
    [
        ("resnet32x4:resnet8x4", ["stage1", "stage2", "stage3"]),
        ("vgg13:vgg8", ["stage2", "stage3", "stage4", "stage5"]),
    ],
)
def test_layers_are_those_of_the_networks(table, pair, maps):
    found = table["protocol"](pair, 240)
    assert [loss["student"] for loss in found["attention"].losses] == maps
    assert [loss["student"] for loss in found["similarity"].losses] == maps[-1:]
    assert [loss["teacher"] for loss in found["hint"].losses] == maps[1:2]


def test_every_row_is_a_training_that_the_toolkit_knows(table):
    kind = experiment_config("classification")
    for name, how in table["protocol"]("wrn_40_2:wrn_16_2", 240).items():
        stage = {"name": "distilled", "task_weight": how.task_weight, "losses": how.losses}
        values = {"task": "digits", "model": {"name": "wrn_16_2"}, "training": table["TRAINING"]}
        validate(kind, {**values, "teacher": "runs/t", "stages": [stage]}, name)


def test_a_run_gives_the_table(table, teacher, tmp_path, monkeypatch, capsys):
    options = ["--task", "digits", "--run", str(tmp_path), "--pair", "convnet_small:convnet_small"]
    options += ["--teacher", str(teacher), "--epochs", "1", "--seeds", "1", "--device", "cpu"]
    options += ["--task-option", "size=8", "--task-option", "train=60"]
    options += ["--task-option", "validation=40", "--task-option", "test=40"]
    options += ["--set", "training.learning_rate=0.01", "--set", "training.batch_size=20"]
    options += ["--set", "training.augmentation=none"]
    options += ["--method", "soft_target", "--method", "dist,weight=2"]
    monkeypatch.setattr(sys, "argv", ["repdistiller_table.py", *options])
    table["main"]()
    printed = capsys.readouterr().out
    for row in ("teacher", "alone", "soft_target", "dist,weight=2"):
        assert row in printed


def write_cifar100(folder, monkeypatch):
    """Files in the form of CIFAR-100, of 2 images of each class."""
    from nas.vision_libraries import torchvision

    cifar = torchvision.datasets.CIFAR100
    monkeypatch.setattr(cifar, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *a: True)
    base = folder / cifar.base_folder
    base.mkdir()
    for name in ("train", "test"):
        pixels = np.random.default_rng(0).integers(0, 255, (200, 3072), dtype=np.uint8)
        content = {"data": pixels, "fine_labels": [row % 100 for row in range(200)]}
        (base / name).write_bytes(pickle.dumps(content))
    names = {"fine_label_names": [f"class{row:02d}" for row in range(100)]}
    (base / "meta").write_bytes(pickle.dumps(names))


def test_cifar100_is_a_task(tmp_path, monkeypatch):
    write_cifar100(tmp_path, monkeypatch)
    task = nas.tasks.load(f"{SCRIPTS}/cifar100.py:cifar100", tmp_path)
    assert task.num_classes == 100 and task.input_shape == (1, 3, 32, 32)
    assert len(task.dataset("test")) == 200
    assert task.mean == (0.5071, 0.4867, 0.4408)


def test_cifar100_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="no folder cifar-100-python with the files of CIFAR-100"):
        nas.tasks.load(f"{SCRIPTS}/cifar100.py:cifar100", tmp_path)
