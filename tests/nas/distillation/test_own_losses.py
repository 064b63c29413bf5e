"""Losses that a user brings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nas import distillation
from nas.distillation import DistillationLoss, Distiller, LossInfo, TermSettings, create_loss
from nas.errors import UserError
from nas.settings import validate

FILE = str(Path(__file__).resolve())


class Gap(DistillationLoss):
    """Mean absolute difference, times a scale."""

    info = LossInfo(
        name="gap",
        compares=("features", "logits"),
        summary="mean absolute difference",
        weight=2.0,
        weight_on_features=5.0,
        place="penultimate",
    )

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, student, teacher):
        assert student.dtype == teacher.dtype == torch.float32
        assert not teacher.requires_grad
        return (student - teacher).abs().mean() * self.scale


class Labelled(DistillationLoss):
    info = LossInfo(name="labelled", compares=("logits",), needs_targets=True)

    def forward(self, student, teacher, targets):
        return (student.argmax(1) == targets).float().mean() + 0 * student.sum()


class Sized(DistillationLoss):
    info = LossInfo(name="sized", compares=("features",), maps_only=True, adapter="none")

    def __init__(self, student_channels, dense):
        super().__init__()
        self.student_channels = student_channels
        self.dense = dense

    @classmethod
    def options_for(cls, student_shape, teacher_shape, kind):
        return {"student_channels": student_shape[1], "dense": kind == "segmentation"}

    def forward(self, student, teacher):
        return student.mean() * self.student_channels


class Small(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, 4)

    def forward(self, images):
        return self.head(self.pool(self.body(images)))


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(distillation.losses._LOSSES, "_registered", {})


def distiller(**settings):
    torch.manual_seed(0)
    return Distiller([TermSettings(**settings)], Small(5), Small(6), (2, 3, 8, 8), num_classes=4)


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["gap", f"{FILE}:Gap"])
def test_a_loss_is_made_by_its_name_and_by_its_import_path(name):
    distillation.register(Gap)
    loss = create_loss(name, scale=3.0)
    assert loss(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0])).item() == pytest.approx(4.5)


def test_a_registered_loss_is_listed_after_the_built_in_ones():
    distillation.register(Gap)
    info = distillation.describe()[-1]
    assert (info.name, info.summary) == ("gap", "mean absolute difference")
    assert [str(option) for option in info.options] == ["scale=1.0"]


def test_a_term_keeps_what_other_processes_have_to_be_told():
    distillation.register(Gap)
    assert TermSettings(method="gap").method == f"{FILE}:Gap"
    assert TermSettings(method="hint").method == "hint"
    assert distillation.is_importable("gap")


def test_a_term_takes_weight_and_place_from_the_loss():
    term = TermSettings(method=f"{FILE}:Gap")
    assert (term.compares, term.factor) == ("features", 5.0)
    assert TermSettings(method=f"{FILE}:Gap", student="logits").factor == 2.0
    model = distiller(method=f"{FILE}:Gap")
    assert list(model.terms) == ["gap"]
    assert model.terms["gap"].student_paths == ("pool",)


def test_a_distiller_adapts_the_channels_for_a_loss():
    model = distiller(method=f"{FILE}:Gap", options={"scale": 2.0})
    step = model.step(IMAGES)
    adapter = model.terms["gap"].comparisons[0].adapter
    assert (adapter.in_features, adapter.out_features) == (5, 6)
    assert step.total.item() == pytest.approx(5.0 * step.losses["gap"].item())
    step.total.backward()
    assert adapter.weight.grad.abs().max() > 0


def test_a_loss_gets_the_true_classes_that_it_needs():
    model = distiller(method=f"{FILE}:Labelled")
    step = model.step(IMAGES, torch.tensor([0, 1]))
    expected = (step.logits.argmax(1) == torch.tensor([0, 1])).float().mean()
    assert step.losses["labelled"].item() == expected.item()


def test_options_follow_from_what_is_compared():
    comparison = distiller(method=f"{FILE}:Sized").terms["sized"].comparisons[0]
    assert (comparison.loss.student_channels, comparison.loss.dense) == (5, False)
    told = distiller(method=f"{FILE}:Sized", options={"dense": True})
    assert told.terms["sized"].comparisons[0].loss.dense


def test_a_loss_is_computed_in_float32():
    loss = Gap()
    student = torch.tensor([1.0, 3.0], dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = loss(student, torch.tensor([1.0, 1.0], dtype=torch.bfloat16, requires_grad=True))
    assert (result.dtype, result.item()) == (torch.float32, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": f"{FILE}:Gap", "options": {"scael": 1}}, "has no option 'scael'; did you mean"),
        ({"method": "gap"}, "there is no distillation loss 'gap'"),
        ({"method": "torch.nn:Linear"}, "'torch.nn:Linear' must be a subclass of DistillationLoss"),
        ({"method": f"{FILE}:DistillationLoss"}, "must have the class attribute `info`, a LossInf"),
    ],
)
def test_what_is_no_loss_is_refused_in_one_sentence(settings, message):
    with pytest.raises(UserError) as caught:
        validate(TermSettings, settings, "losses")
    assert message in str(caught.value)


def test_a_loss_without_info_is_not_registered():
    with pytest.raises(ValueError, match="the distillation loss 'Bare' must have the class attri"):

        @distillation.register
        class Bare(DistillationLoss):
            pass


def test_a_loss_needs_a_name_of_its_own():
    with pytest.raises(ValueError, match="there is a distillation loss 'hint' already"):

        @distillation.register
        class Mine(distillation.find("hint")):
            pass


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a b"}, "letters, digits and underscores, unlike 'a b'"),
        ({"compares": ()}, r"'own' must compare a tuple of things, not \(\)"),
        ({"compares": ("maps",)}, "'own' cannot compare 'maps'; choose from logits, features"),
        ({"place": "first"}, "'own' cannot have the place 'first'; choose from last, two_last"),
        ({"adapter": "conv"}, "'own' cannot have the adapter 'conv'; choose from none, channels"),
        ({"weight": 0.0}, "the default weight of 'own' must be above 0"),
        ({"weight_on_features": -1.0}, "the default weight of 'own' must be above 0"),
    ],
)
def test_a_wrong_declaration_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        LossInfo(**({"name": "own", "compares": ("features",)} | values))
