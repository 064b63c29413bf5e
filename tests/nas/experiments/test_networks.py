from __future__ import annotations

import json
import shutil

import pytest
import torch

import nas.tasks
from nas.errors import UserError
from nas.models.classifier_file import (
    load_classifier,
    read_classifier_description,
    save_classifier,
)
from nas.models.weights import save_described
from nas.training.classification.networks import load_teacher, network_path, seed_folders

CPU = torch.device("cpu")
OPTIONS = {"size": 8, "train": 60, "validation": 40, "test": 40}


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load("digits", **OPTIONS)


@pytest.fixture
def run(teacher, tmp_path):
    return shutil.copytree(teacher, tmp_path / "run")


def resave(run, **changes):
    """Writes the first network of a run with another description."""
    path = run / "seed-0" / "model.safetensors"
    description = read_classifier_description(path).model_copy(update=changes)
    save_classifier(load_classifier(path), description, path)
    return path


def test_the_seed_with_the_best_validation_accuracy_is_taken(run):
    for seed, accuracy in ((0, 0.7), (1, 0.9)):
        path = run / f"seed-{seed}" / "metrics.json"
        record = json.loads(path.read_text())
        record["validation"]["accuracy"] = accuracy
        path.write_text(json.dumps(record))
    assert network_path(run) == run / "seed-1" / "model.safetensors"
    path.write_text(json.dumps(record | {"validation": {"accuracy": 0.5}}))
    assert network_path(run) == run / "seed-0" / "model.safetensors"


def test_a_file_or_the_folder_of_a_seed_is_taken_as_it_is(run):
    path = run / "seed-1" / "model.safetensors"
    assert network_path(path) == network_path(path.parent) == path


def test_seeds_are_in_the_order_of_their_numbers_and_finished(run):
    shutil.copytree(run / "seed-0", run / "seed-10")
    shutil.copytree(run / "seed-0", run / "seed-best")
    (run / "seed-2").mkdir()
    assert [folder.name for folder in seed_folders(run)] == ["seed-0", "seed-1", "seed-10"]


def test_a_teacher_is_scored_on_the_validation_split(run, task):
    teacher = load_teacher(str(run / "seed-0"), task, CPU)
    record = json.loads((run / "seed-0" / "metrics.json").read_text())
    assert teacher.card.accuracy == record["validation"]["accuracy"] > 0.2
    assert teacher.path == run / "seed-0" / "model.safetensors"
    assert not teacher.network.training


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"classes": tuple("abcdefghij")},
            ["its 10 classes are not the 10 of task 'digits'; take a network that was trained"],
        ),
        ({"input_size": (16, 16)}, ["trained with input_size [16, 16], ", "'digits' has [8, 8]"]),
        ({"mean": (0.5, 0.5, 0.5)}, ["trained with mean [0.5, 0.5, 0.5], and task 'digits' has"]),
        ({"std": (0.5, 0.5, 0.5)}, ["trained with std [0.5, 0.5, 0.5], and task 'digits' has"]),
    ],
)
def test_a_teacher_that_was_made_for_other_data_is_refused(run, task, changes, parts):
    path = resave(run, **changes)
    with pytest.raises(UserError) as caught:
        load_teacher(str(path), task, CPU)
    for part in (f"{path}: ", *parts):
        assert part in str(caught.value)


def test_a_teacher_that_names_one_class_is_refused(run, task):
    path = run / "seed-0" / "model.safetensors"
    network = load_classifier(path)
    with torch.no_grad():
        network.classifier.weight.zero_()
    save_classifier(network, read_classifier_description(path), path)
    with pytest.raises(UserError) as caught:
        load_teacher(str(path), task, CPU)
    assert str(caught.value) == (
        f"teacher {path}: its accuracy of 0.100 on the validation images is no better than always "
        "naming one class (0.100); train it longer."
    )


def test_a_network_of_another_kind_is_refused(run, task):
    path = run / "seed-0" / "model.safetensors"
    save_described(load_classifier(path), json.dumps({"encoder": {}}), path)
    with pytest.raises(UserError) as caught:
        load_teacher(str(path), task, CPU)
    expected = f"teacher {path}: it is no network of a classification task; give one."
    assert str(caught.value) == expected


def test_a_place_without_a_network_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        network_path(tmp_path / "none")
    expected = f"teacher {tmp_path / 'none'}: no such file or folder; give a run of nas train."
    assert str(caught.value) == expected
    with pytest.raises(UserError, match=r"no trained network there; make one with nas train"):
        network_path(tmp_path)
