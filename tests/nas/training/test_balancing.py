from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.distillation import Distiller, TermSettings
from nas.errors import UserError
from nas.kinds import kind_of
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.training.balancing import balance, told
from nas.training.checkpoint import snapshot
from nas.training.fit import fit, training_of
from nas.training.freezing import frozen
from nas.training.seeding import seeded
from nas.training.teaching import Teaching
from nas.training.trainer import run

CPU = torch.device("cpu")
SETTINGS = ClassifierFitSettings(
    epochs=2, batch_size=8, learning_rate=0.01, augmentation="none", warmup=0
)


def taught(corners, student, teacher, *terms, **options):
    distiller = Distiller(
        [TermSettings(**term) for term in terms],
        student,
        teacher,
        corners.input_shape,
        corners.num_classes,
    )
    return Teaching(distiller=distiller, **options)


def prepared(corners, student, teaching):
    kind = kind_of(corners)
    return training_of(kind, student, corners, SETTINGS, CPU, 0, teaching, kind.quality)


def gradient_length(loss, network):
    gradients = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return sum(g.square().sum().item() for g in gradients if g is not None) ** 0.5


@pytest.fixture
def student(make_net):
    return make_net()


@pytest.fixture
def teacher(make_net):
    return make_net(seed=1, width=9)


@pytest.mark.parametrize("share", [0.1, 2.0])
def test_the_gradient_has_the_asked_share_of_the_labels_gradient(corners, student, teacher, share):
    term = {"method": "soft_target", "balance": share}
    teaching = taught(corners, student, teacher, term)
    loss = prepared(corners, student, teaching).loop.loss
    batch = next(iter(prepared(corners, student, teaching).loop.batches.epoch(0)))
    weight = balance(teaching.distiller, student, loss, [batch])["soft_target"]
    assert teaching.distiller.weights == {"soft_target": weight}
    student.train()
    labels, losses = loss.parts(batch)
    found = gradient_length(losses["soft_target"] * weight, student)
    labels, _ = loss.parts(batch)
    assert found == pytest.approx(share * gradient_length(labels, student), rel=1e-4)


def test_only_the_parameters_that_a_loss_reaches_are_compared(corners, student, teacher):
    term = {"method": "attention", "student": "stem.0", "teacher": "stem.0", "balance": 1.0}
    teaching = taught(corners, student, teacher, term)
    loss = prepared(corners, student, teaching).loop.loss
    batch = next(iter(prepared(corners, student, teaching).loop.batches.epoch(0)))
    weight = balance(teaching.distiller, student, loss, [batch])["attention"]
    student.train()
    first = student.stem[0]
    labels, losses = loss.parts(batch)
    of_term = gradient_length(losses["attention"], first)
    labels, _ = loss.parts(batch)
    assert weight == pytest.approx(gradient_length(labels, first) / of_term, rel=1e-4)


def test_given_weights_are_not_measured(corners, student, teacher):
    teaching = taught(corners, student, teacher, {"method": "hint", "weight": 3.0})
    loss = prepared(corners, student, teaching).loop.loss
    assert balance(teaching.distiller, student, loss, []) == {}
    assert teaching.distiller.weights == {"hint": 3.0}


def test_measuring_leaves_the_network_and_the_draws_as_they_were(corners, student, teacher):
    teaching = taught(corners, student, teacher, {"method": "mgd"})
    before, mode = snapshot(student), student.training
    with seeded("before"):
        prepared(corners, student, teaching).begin()
        first = torch.rand(1)
    with seeded("before"):
        assert torch.equal(first, torch.rand(1))
    assert student.training == mode
    after = student.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_loss_without_gradient_cannot_be_measured(corners, student, teacher):
    teaching = taught(corners, student, teacher, {"method": "hint"})
    loss = prepared(corners, student, teaching).loop.loss
    batch = next(iter(prepared(corners, student, teaching).loop.batches.epoch(0)))
    with pytest.raises(UserError, match="'hint' cannot be measured, because the loss has no grad"):
        balance(teaching.distiller, student, _Cut(loss), [batch])


class _Cut:
    """A loss whose terms lead nowhere."""

    def __init__(self, loss):
        self.loss = loss

    def parts(self, batch):
        labels, losses = self.loss.parts(batch)
        return labels, {name: loss * 0 for name, loss in losses.items()}

    def means(self):
        return {}


def test_the_log_tells_measured_weights(corners, student, teacher):
    said = []
    term = {"method": "attention", "balance": 0.25}
    teaching = taught(corners, student, teacher, term, say=said.append)
    fit(
        kind_of(corners),
        student,
        corners,
        SETTINGS,
        device=CPU,
        seed=0,
        teaching=teaching,
    )
    assert said == [told(teaching.distiller, teaching.distiller.weights)]
    assert "attention" in said[0]
    assert "0.25" in said[0]


def test_a_training_that_goes_on_keeps_its_measured_weights(corners, make_net, teacher, tmp_path):
    def begun():
        student = make_net()
        teaching = taught(corners, student, teacher, {"method": "attention"})
        return prepared(corners, student, teaching), teaching.distiller

    class Interrupted(BaseException):
        pass

    def stop(record):
        raise Interrupted

    training, first = begun()
    with pytest.raises(Interrupted):
        run(training, tmp_path / "checkpoint.pt", stop)
    training, second = begun()
    run(training, tmp_path / "checkpoint.pt")
    assert second.weights == first.weights != {"attention": 1000.0}


def test_frozen_parts_are_left_out(corners, student, teacher):
    whole = taught(corners, student, teacher, {"method": "attention"})
    part = taught(corners, student, teacher, {"method": "attention"}, frozen=(student.stem,))
    prepared(corners, student, whole).begin()
    with frozen(part.frozen):
        prepared(corners, student, part).begin()
    assert part.distiller.weights != whole.distiller.weights
    assert isinstance(student.stem, nn.Module)


def check(corners, student, teaching):
    kind_of(corners).check(student, corners, SETTINGS, teaching)


def test_a_loss_whose_gradient_is_zero_everywhere_is_refused(corners, student, teacher):
    # Attention maps of one position are all 1.
    student.pool, teacher.pool = nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(1)
    student.head, teacher.head = nn.Linear(8, 3), nn.Linear(8, 3)
    term = {"method": "attention", "student": "pool", "teacher": "pool"}
    with pytest.raises(UserError, match="'attention' has no gradient where it is compared"):
        check(corners, student, taught(corners, student, teacher, term))


def test_a_copy_of_the_teacher_may_learn_from_it(corners, make_net):
    student, teacher = make_net(), make_net()
    before = snapshot(student)
    check(corners, student, taught(corners, student, teacher, {"method": "attention"}))
    after = student.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_the_range_of_a_teacher_is_checked_on_images_of_the_task(corners, student, teacher):
    # Grey images have equal channels, noise has not.
    teacher.register_forward_hook(
        lambda module, inputs, output: output * (1e6 if _is_grey(inputs[0]) else 1.0)
    )
    with pytest.raises(UserError, match="the teacher's logits reach"):
        check(corners, student, taught(corners, student, teacher, {"method": "soft_target"}))


def _is_grey(batch):
    return torch.equal(batch[:, 0], batch[:, 1])
