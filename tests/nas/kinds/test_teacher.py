from __future__ import annotations

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import yaml
from digit_search import CPU, DIGIT_SETTINGS
from torch import nn

import nas.tasks
from nas.distillation import TermSettings
from nas.errors import UserError
from nas.kinds import kind_named
from nas.kinds.network_file import describe, load, save_network
from nas.kinds.teacher import (
    load_teacher,
    network_path,
    seed_folders,
    teacher_folder,
    train_teacher,
    trained_teacher,
)
from nas.models.weights import save_tensors
from nas.objects import keep

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
    save_network(load(path), describe(path).model_copy(update=changes), path)
    return path


def set_figure(run, seed, key, value):
    path = run / f"seed-{seed}" / "metrics.json"
    record = json.loads(path.read_text())
    record["validation"][key] = value
    path.write_text(json.dumps(record))


def test_the_seed_with_the_best_first_figure_on_the_validation_split_is_taken(run):
    set_figure(run, 0, "accuracy", 0.7)
    set_figure(run, 1, "accuracy", 0.9)
    set_figure(run, 0, "mean_class_accuracy", 0.99)
    assert network_path(run) == run / "seed-1" / "model.safetensors"
    set_figure(run, 1, "accuracy", 0.5)
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
    accuracy = teacher.card.figures["accuracy"]
    assert accuracy == record["validation"]["accuracy"] > 0.2
    assert teacher.remark == (
        f"accuracy {accuracy:.3f}, mean F1 {teacher.card.macro['f1']:.3f} on validation"
    )
    assert teacher.path == run / "seed-0" / "model.safetensors"
    assert not any(module.training for module in teacher.network.modules())


def test_the_identity_of_a_teacher_changes_with_its_weights(run, task):
    first, again, other = (
        load_teacher(run / name, task, CPU).identity for name in ("seed-0", "seed-0", "seed-1")
    )
    assert first == again != other


def test_the_identity_of_a_teacher_changes_with_how_it_wants_its_images(run, task):
    before = load_teacher(run / "seed-0", task, CPU).identity
    path = resave(run, mean=(0.5, 0.5, 0.5))
    assert load_teacher(path, task, CPU).identity != before


def test_a_teacher_of_other_classes_teaches_by_its_features_alone(run, task):
    path = resave(run, classes=tuple("abcdefghij"))
    teacher = load_teacher(path, task, CPU)
    assert teacher.card is None
    assert teacher.remark == "it knows other classes, so its features alone can teach"
    teacher.require_comparable([TermSettings(method="attention")])
    for method in ("soft_target", "multi_scale"):
        with pytest.raises(UserError) as caught:
            teacher.require_comparable([TermSettings(method=method)])
        assert f"its logits cannot be compared by {method!r}; choose a loss on" in str(caught.value)


def test_a_module_with_another_number_of_logits_knows_other_classes(run, task):
    network = load(run / "seed-0")
    network.classifier = nn.Linear(network.classifier.in_features, 7)
    teacher = load_teacher(keep(network, "seven"), task, CPU)
    assert teacher.card is None


def test_a_teacher_of_another_kind_is_refused(teacher_file, task):
    with pytest.raises(UserError) as caught:
        load_teacher(teacher_file, task, CPU)
    assert str(caught.value) == (
        f"teacher {teacher_file}: it is a network for segmentation, and task 'digits' is one of "
        "classification."
    )


def test_a_teacher_that_names_one_class_is_refused(run, task):
    path = run / "seed-0" / "model.safetensors"
    network = load(path)
    with torch.no_grad():
        network.classifier.weight.zero_()
    save_network(network, describe(path), path)
    with pytest.raises(UserError) as caught:
        load_teacher(str(path), task, CPU)
    assert str(caught.value) == (
        f"teacher {path}: its accuracy of 0.100 on the validation images is no better than always "
        "naming one class (0.100); train it longer."
    )


def test_a_place_without_a_network_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        network_path(tmp_path / "none")
    expected = f"teacher {tmp_path / 'none'}: no such file or folder; give a run of nas train."
    assert str(caught.value) == expected
    with pytest.raises(UserError, match=r"no trained network there; make one with nas train"):
        network_path(tmp_path)


@pytest.fixture(params=["segmentation", "classification"])
def lesson(request, faces, make_settings, teacher_settings, digits, tmp_path):
    """A task, the settings of its teacher, and a cache that holds a trained one."""
    if request.param == "segmentation":
        task, settings = faces, make_settings(teacher=teacher_settings).teacher
        trained = request.getfixturevalue("teacher_file")
    else:
        task, settings = digits, DIGIT_SETTINGS.teacher
        trained = request.getfixturevalue("taught_digits").teacher.path
    folder = teacher_folder(settings, task, tmp_path, 0)
    shutil.copytree(trained.parent, folder)
    return SimpleNamespace(task=task, settings=settings, cache=tmp_path, path=folder / trained.name)


@pytest.fixture
def cached(lesson, monkeypatch):
    """The same, where training anew is an error."""

    def train(*arguments, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr("nas.kinds.teacher.fit", train)
    return lesson


def test_a_teacher_is_trained_once(cached):
    found = trained_teacher(cached.settings, cached.task, cached.cache, CPU, 0)
    assert found.path == cached.path
    with pytest.raises(AssertionError, match="trained again"):
        trained_teacher(cached.settings, cached.task, cached.cache, CPU, 1)


def test_a_cached_teacher_that_is_not_described_is_the_same(cached):
    new = trained_teacher(cached.settings, cached.task, cached.cache, CPU, 0)
    save_tensors(new.network, cached.path)
    with pytest.raises(UserError, match="no description"):
        load(cached.path)
    old = trained_teacher(cached.settings, cached.task, cached.cache, CPU, 0)
    assert old.identity == new.identity
    assert old.card.figures == new.card.figures
    assert not any(module.training for module in old.network.modules())


def test_a_trained_teacher_can_serve_other_searches(lesson):
    found = trained_teacher(lesson.settings, lesson.task, lesson.cache, CPU, 0)
    named = lesson.settings.model_copy(update={"run": str(lesson.path.parent)})
    assert trained_teacher(named, lesson.task, lesson.cache / "b", CPU, 5).identity == (
        found.identity
    )
    assert not (lesson.cache / "b").exists()


def test_the_seed_decides_the_weights_that_a_teacher_starts_from(
    faces, make_settings, teacher_settings, tmp_path, monkeypatch
):
    started = []

    class Begun(BaseException):
        pass

    def begin(kind, network, *arguments, **options):
        started.append(kind.fingerprint(network))
        raise Begun

    monkeypatch.setattr("nas.kinds.teacher.fit", begin)
    settings = make_settings(teacher=teacher_settings).teacher
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)
        with pytest.raises(Begun):
            train_teacher(settings, faces, tmp_path, CPU, seed)
    assert started[0] == started[1] != started[2]


class Interrupted(BaseException):
    """What a signal is to a test."""


def test_an_interrupted_training_of_a_teacher_goes_on(
    faces, make_settings, teacher_settings, teacher_file, tmp_path
):
    settings = make_settings(teacher=teacher_settings).teacher

    def interrupt(what, record, epochs):
        assert (what, record.epoch, epochs) == ("teacher", 0, 2)
        raise Interrupted

    with pytest.raises(Interrupted):
        train_teacher(settings, faces, tmp_path, CPU, 0, interrupt)
    told = []
    path = train_teacher(
        settings, faces, tmp_path, CPU, 0, lambda what, record, epochs: told.append(record.epoch)
    )
    assert told == [1]
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]
    kind = kind_named("segmentation")
    assert kind.fingerprint(load(path)) == kind.fingerprint(load(teacher_file))


def former_folder(teacher_file, faces, teacher_settings, folder):
    """What older versions of nas train left for segmentation."""
    folder.mkdir()
    save_tensors(load(teacher_file), folder / "model.safetensors")
    record = {
        "task": "faces",
        "classes": list(faces.classes),
        "teacher": {"run": None, **teacher_settings},
    }
    (folder / "teacher.yaml").write_text(yaml.safe_dump(record))
    return folder


def test_a_folder_of_a_former_teacher_still_teaches(
    teacher_file, faces, teacher_settings, tmp_path
):
    folder = former_folder(teacher_file, faces, teacher_settings, tmp_path / "old")
    old, new = (load_teacher(place, faces, CPU) for place in (folder, teacher_file))
    assert old.identity == new.identity
    assert old.card.figures == new.card.figures
    description = describe(folder, faces)
    assert description == describe(teacher_file)
    with pytest.raises(UserError, match=r"does not tell the size of its images; give --task"):
        describe(folder)


def test_a_former_teacher_of_other_classes_is_refused(
    teacher_file, faces, teacher_settings, tmp_path
):
    folder = former_folder(teacher_file, faces, teacher_settings, tmp_path / "old")
    other = replace(faces, classes=("sky", *faces.classes[1:]))
    with pytest.raises(UserError, match="trained on other classes than those of task 'faces'"):
        load_teacher(folder, other, CPU)


def test_a_teacher_that_diverges_is_named_with_what_to_do(task, tmp_path):
    training = DIGIT_SETTINGS.teacher.training.model_copy(update={"learning_rate": 1e30})
    settings = DIGIT_SETTINGS.teacher.model_copy(update={"training": training})
    with pytest.raises(UserError, match=r"the teacher diverged: .*--set evaluation\.teacher"):
        train_teacher(settings, task, tmp_path, CPU, 0)
