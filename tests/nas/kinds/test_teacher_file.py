"""Teachers in checkpoints that do not say how their network is built."""

from __future__ import annotations

import argparse

import pytest
import torch
from digit_search import CPU
from safetensors.torch import save_file

import nas.tasks
from nas.errors import UserError
from nas.kinds.teacher import load_teacher
from nas.kinds.teacher_file import TeacherModel
from nas.models.weights import read_tensors
from nas.vision_libraries import timm

NAME = "resnet10t"


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load("digits", size=32, train=20, validation=20, test=20)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return timm.create_model(NAME, num_classes=7).eval()


def model(**changes):
    return TeacherModel(name=NAME, input_size=(32, 32), **changes)


@pytest.fixture(params=["model.safetensors", "weights.pth", "checkpoint.pth.tar"])
def file(request, network, tmp_path):
    path, state = tmp_path / request.param, network.state_dict()
    if path.suffix == ".safetensors":
        save_file(state, path)
    elif path.suffix == ".pth":
        torch.save(state, path)
    else:
        # As timm's training writes it, with its running average of the weights.
        spoilt = {f"module.{key}": torch.zeros_like(value) for key, value in state.items()}
        averaged = {f"module.{key}": value for key, value in state.items()}
        options = argparse.Namespace(lr=0.1)
        found = {"state_dict": spoilt, "state_dict_ema": averaged, "args": options, "epoch": 3}
        torch.save(found, path)
    return path


def test_a_checkpoint_gives_the_network_that_wrote_it(file, network, task):
    found, classes = model().load(file, task)
    assert classes == 7
    for key, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[key], value)


def test_it_wants_its_images_as_timm_gave_them_unless_it_is_told(task):
    feed = TeacherModel(name="resnet18").feed(task)
    assert feed.input_size == (224, 224)
    assert feed.mean == (0.485, 0.456, 0.406)
    told = TeacherModel(name="resnet18", input_size=(40, 48), mean=(0.1,) * 3).feed(task)
    assert (told.input_size, told.mean, told.std) == ((40, 48), (0.1,) * 3, feed.std)


def test_networks_that_timm_does_not_know_want_the_images_of_the_task(task):
    feed = TeacherModel(name="resnet20").feed(task)
    assert (feed.input_size, feed.mean, feed.std) == (task.input_size, task.mean, task.std)


def test_it_teaches_by_its_features_if_it_has_other_classes(file, task):
    teacher = load_teacher(file, task, CPU, model())
    assert teacher.card is None
    assert teacher.remark.startswith("it knows other classes, so its features alone can teach")


def test_a_file_without_a_description_asks_for_its_network(file, task):
    with pytest.raises(UserError) as caught:
        load_teacher(file, task, CPU)
    assert "does not say how its network is built; name it with --teacher-model" in str(
        caught.value
    )


def test_weights_of_another_network_are_refused(file, task):
    with pytest.raises(UserError, match="tensors are not in the network"):
        load_teacher(file, task, CPU, TeacherModel(name="resnet18", input_size=(32, 32)))


def test_a_file_without_the_last_layer_is_refused(task, tmp_path):
    path = tmp_path / "headless.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=r"no 'fc', the last layer of 'resnet10t' that tells"):
        load_teacher(path, task, CPU, model())


def test_a_checkpoint_cannot_teach_segmentation(file, faces):
    with pytest.raises(UserError, match="a checkpoint of a classifier cannot teach a segmentation"):
        load_teacher(file, faces, CPU, model())


class Code:
    """What a checkpoint of tensors does not hold."""

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("content", [Code(), b"no checkpoint", {"epoch": 3}])
def test_what_holds_code_or_no_tensors_is_refused_and_not_run(content, tmp_path, capsys):
    path = tmp_path / "wrong.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(UserError, match=r"not a readable checkpoint|holds no tensors by name"):
        read_tensors(path, "teacher")
    assert capsys.readouterr().out == ""
