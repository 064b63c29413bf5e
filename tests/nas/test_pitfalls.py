"""Mistakes found in public distillation code that no other test here would notice."""

from __future__ import annotations

import inspect
import typing
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import typer
from torch import nn
from torch.nn import functional

from nas.cli.app import app
from nas.cli.values import assignments
from nas.distillation import Distiller, TermSettings, create_loss, create_regressor, names
from nas.experiments.config import experiment_config
from nas.kinds.classification.objective import ClassificationLoss
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.kinds.registry import kind_of
from nas.models.segmentation import PlainDecoder
from nas.settings import overridden, validate
from nas.tasks import ClassificationTask
from nas.tasks.classification.array_source import ArraySource
from nas.training.loop import Batch
from nas.training.precision import autocast, loss_scaler
from nas.training.stage_settings import StageSettings
from nas.training.stages import StageTeacher, Subject, train_stages

CPU = torch.device("cpu")
SIDE = 8


class Net(nn.Module):
    """Two convolutions and a linear classifier of three classes."""

    def __init__(self, width=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width))
        self.body = nn.Conv2d(width, 6, 3, stride=2, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, images):
        return self.head(self.body(self.stem(images).relu()).relu().mean(dim=(2, 3)))


@pytest.fixture
def task():
    """16 images to learn from and 6 for validation, of three classes."""

    def source(count, seed):
        images = np.random.default_rng(seed).integers(0, 255, (count, SIDE, SIDE)).astype(np.uint8)
        found = [f"{seed}-{number}" for number in range(count)]
        labels = np.arange(count) % 3
        return ArraySource(lambda: images, np.arange(count), found, labels, (SIDE, SIDE))

    sources = {"train": source(16, 0), "validation": source(6, 1), "test": source(6, 2)}
    return ClassificationTask("noise", ("a", "b", "c"), (SIDE, SIDE), sources)


@pytest.fixture
def distil(task, tmp_path):
    """Trains a network towards another one."""

    def run(student, teacher, methods, **settings):
        common = ClassifierFitSettings.model_validate({"epochs": 2, "batch_size": 8} | settings)
        losses = tuple(TermSettings(method=method) for method in methods)
        stage = StageSettings(name="only", losses=losses)
        subject = Subject(kind_of(task), student, task, common, CPU)
        taught_by = StageTeacher(teacher, "teacher")
        return train_stages(subject, [stage], seed=0, folder=tmp_path, teacher=taught_by)

    return run


@contextmanager
def nothing_deprecated() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    found = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    assert [text for text in found if "deprecat" in text.lower() or "FutureWarning" in text] == []


CONSTRUCTORS = {
    "generator": lambda: create_loss("mgd", student_channels=3, teacher_channels=4),
    "convolution": lambda: create_regressor((1, 3, 2, 2), (1, 4, 2, 2)),
    "linear layer": lambda: create_regressor((1, 3), (1, 4)),
    "distiller": lambda: Distiller(
        [TermSettings(method="hint")], Net(), Net(5), (1, 3, SIDE, SIDE), 3
    ),
    "decoder": lambda: PlainDecoder((4, 8), 3, width=4),
}


@pytest.mark.parametrize("create", CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_constructors_set_no_seed(create):
    """With a seed of their own all networks of several runs would start from one draw."""
    parameters = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        for _ in range(2):
            parameters.append(nn.utils.parameters_to_vector(create().parameters()))
    rows = torch.stack(parameters)
    assert not any(torch.equal(rows[i], rows[j]) for i in range(4) for j in range(i))
    # Nor does anything else that is drawn afterwards follow from a constant.
    drawn = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        create()
        drawn.append(torch.rand(()).item())
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("mixing", ["none", "cutmix"])
def test_teacher_outputs_are_not_kept_from_other_views_of_an_image(distil, mixing):
    """What a teacher says of an image is wrong for its augmented or mixed copy."""
    student, teacher = Net(), Net(5)
    shown = {student: [], teacher: []}
    for network in shown:
        network.register_forward_pre_hook(
            lambda module, given: shown[module].append((module.training, given[0].clone()))
        )
    distil(student, teacher, ["soft_target"], augmentation="full", mixing=mixing)
    # Before the training both are examined on a few batches.
    learned = [images for training, images in shown[student] if training][-4:]
    taught = [images for _, images in shown[teacher] if len(images) == 8][-4:]
    assert len(learned) == len(taught) == 4
    assert all(torch.equal(*pair) for pair in zip(learned, taught, strict=True))
    seen = torch.cat(learned).flatten(1)
    # Both epochs show all 16 images, none of them twice in the same way.
    assert len(seen.unique(dim=0)) == 32


def options():
    """Name, type and description of everything that the commands take."""
    commands = [typer.main.get_command(app)]
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        if command.callback is not None:
            function = inspect.unwrap(command.callback)
            for name, hint in typing.get_type_hints(function, include_extras=True).items():
                if name != "return":
                    yield name, hint.__origin__, hint.__metadata__[0]


def test_no_option_of_the_command_line_takes_any_text_for_true():
    """The type of a switch decides that it takes no text: `bool("False")` is true."""
    found = list(options())
    switches = {name for name, kind, _ in found if kind is bool}
    assert switches >= {"debug", "list_losses", "resume", "tta"}
    assert [name for name, _, given in found if given.parser is bool] == []


@pytest.mark.parametrize("text", ["false", "False", "off", "no", "'false'", "0"])
def test_switches_of_the_settings_can_be_switched_off(text):
    base = {"task": "digits", "model": {"name": "vgg8"}}
    base["training"] = {"freeze_batch_norm": True, "augmentation": {"flip": True}}
    keys = ("training.freeze_batch_norm", "training.augmentation.flip")
    values = overridden(base, assignments([f"{key}={text}" for key in keys]))
    training = validate(experiment_config("classification"), values, "test").training
    assert training.freeze_batch_norm is False
    assert training.augmentation.flip is False


@pytest.mark.parametrize("taught", [False, True])
def test_losses_of_half_precision_logits_are_taken_in_float32(taught):
    torch.manual_seed(0)
    student, teacher = Net().eval(), Net(5)
    distiller = None
    if taught:
        terms = [TermSettings(method="soft_target")]
        distiller = Distiller(terms, student, teacher, (1, 3, SIDE, SIDE), 3)
    images, labels = torch.randn(8, 3, SIDE, SIDE), torch.arange(8) % 3
    loss = ClassificationLoss(student, distiller, precision="bfloat16")
    loss(Batch(images, labels))
    with autocast(CPU, "bfloat16"):
        logits = student(images)
    assert logits.dtype == torch.bfloat16
    expected = functional.cross_entropy(logits.float(), labels).item()
    # In bfloat16 it has three digits.
    assert loss.means()["train_task"] == expected


def test_no_loss_uses_what_is_deprecated():
    student = torch.rand(4, 5, 3, 3, requires_grad=True)
    targets = torch.zeros(4, 3, 3, dtype=torch.int64)
    channels = {"student_channels": 5, "teacher_channels": 5}
    options = {"mgd": channels, "reconstruction": channels, "adversarial": {"channels": 5}}
    with nothing_deprecated():
        for name in names():
            loss = create_loss(name, **options.get(name, {}))
            given = [student, torch.rand(4, 5, 3, 3)]
            given += [nn.Linear(5, 2), nn.Linear(5, 2)] if loss.info.needs_classifiers else []
            given += [targets] if loss.needs_targets else []
            loss(*given).backward()


def test_no_training_uses_what_is_deprecated(distil):
    with nothing_deprecated():
        distil(Net(), Net(5), ["soft_target", "hint"], label_smoothing=0.1, polyak=0.9, clip=1.0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_mixed_precision_uses_what_is_not_deprecated(distil, precision):
    with nothing_deprecated():
        distil(Net(), Net(5), ["attention"], precision=precision, epochs=1)
        with autocast(CPU, precision):
            found = (torch.rand(2, 2) @ torch.rand(2, 2)).dtype
    assert found == getattr(torch, precision)
    assert isinstance(loss_scaler(CPU, precision), torch.amp.GradScaler) == (precision == "float16")
