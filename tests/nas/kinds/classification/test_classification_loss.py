from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.distillation.distiller import Distiller
from nas.distillation.terms import TermSettings
from nas.kinds.classification.objective import ClassificationLoss, symmetric_divergence
from nas.training.loop import Batch

S = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
T = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, -1.0]])
LABELS = torch.tensor([2, 0])


class Dropping(nn.Module):
    """A linear classifier with dropout."""

    def __init__(self, rate=0.5):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.drop = nn.Dropout(rate)
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        return self.head(self.drop(self.conv(images).mean(dim=(2, 3))))


def fixed(*logits):
    """A network that gives one logits after the other, whatever it is shown."""
    rows = iter(logits)
    return lambda images: next(rows)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.randn(2, 3, 8, 8, generator=generator), LABELS)


def test_the_cross_entropy_is_the_mean_over_the_images(batch):
    assert ClassificationLoss(fixed(S))(batch).item() == pytest.approx(0.505868284891)


def test_smoothing_gives_a_share_of_the_label_to_all_classes(batch):
    loss = ClassificationLoss(fixed(S), label_smoothing=0.1)
    assert loss(batch).item() == pytest.approx(0.589201618224)


def test_class_weights_count_in_the_mean(batch):
    weights = torch.tensor([3.0, 1.0, 1.0])
    single = functional.cross_entropy(S, LABELS, reduction="none")
    expected = (single[0] + 3 * single[1]) / 4
    loss = ClassificationLoss(fixed(S), class_weights=weights)(batch)
    assert loss.item() == pytest.approx(expected.item())


def test_targets_may_be_shares_of_the_classes(batch):
    shares = torch.tensor([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]])
    expected = -(shares * S.log_softmax(1)).sum(1).mean()
    loss = ClassificationLoss(fixed(S))(Batch(batch.inputs, shares))
    assert loss.item() == pytest.approx(expected.item())


def test_the_divergence_of_two_passes_is_symmetric_and_a_mean_over_the_batch():
    # A sum over the batch of two would be 1.61127994067, whose weight grows with the batch.
    assert symmetric_divergence(S, T).item() == pytest.approx(1.61127994067 / 2)
    assert symmetric_divergence(T, S).item() == pytest.approx(1.61127994067 / 2)
    assert symmetric_divergence(S, S).item() == 0


def test_two_passes_cost_the_mean_of_their_losses_and_their_divergence(batch):
    loss = ClassificationLoss(fixed(S, T), r_drop=0.3)
    first, second = functional.cross_entropy(S, LABELS), functional.cross_entropy(T, LABELS)
    expected = (first + second) / 2 + 0.3 * 1.61127994067 / 2
    assert loss(batch).item() == pytest.approx(expected.item())


def test_r_drop_works_beside_a_teacher(batch):
    torch.manual_seed(0)
    student, teacher = Dropping(), Dropping()
    distiller = Distiller([TermSettings(method="soft_target")], student, teacher, (1, 3, 8, 8), 3)
    student.train()
    losses = {}
    for weight in (None, 1e-9, 5.0):
        loss = ClassificationLoss(student, distiller, r_drop=weight)
        torch.manual_seed(1)
        losses[weight] = loss(batch).item()
        means = loss.means()
        assert ("train_r_drop" in means) == (weight is not None)
        losses[weight, "parts"] = means
    parts = losses[5.0, "parts"]
    assert parts["train_r_drop"] > 1e-4
    assert losses[5.0] == pytest.approx(losses[1e-9] + 5 * parts["train_r_drop"], rel=1e-5)
    # Both passes learn from the teacher, and count as one.
    assert parts["train_soft_target"] == losses[1e-9, "parts"]["train_soft_target"]
    assert losses[1e-9] == pytest.approx(
        parts["train_task"] + 7 / 3 * parts["train_soft_target"], rel=1e-5
    )


def test_a_term_of_weight_zero_leaves_the_labels_out(batch):
    torch.manual_seed(0)
    student, teacher = Dropping(0.0), Dropping(0.0)
    terms = [TermSettings(method="logit_mse", weight=2.0)]
    distiller = Distiller(terms, student, teacher, (1, 3, 8, 8), 3)
    loss = ClassificationLoss(student, distiller, task_weight=0.0)
    expected = 2 * functional.mse_loss(student(batch.inputs), teacher(batch.inputs))
    assert loss(batch).item() == pytest.approx(expected.item())
    assert set(loss.means()) == {"train_logit_mse"}


def test_means_are_those_since_they_were_last_asked_for(batch):
    loss = ClassificationLoss(fixed(S, T, S))
    loss(batch)
    loss(batch)
    first, second = functional.cross_entropy(S, LABELS), functional.cross_entropy(T, LABELS)
    means = loss.means()
    assert means["train_task"] == pytest.approx(((first + second) / 2).item())
    # Of S both images are right, of T the second alone, with a tie for the first class.
    assert means["train_accuracy"] == 0.75
    loss(batch)
    assert loss.means()["train_task"] == pytest.approx(0.505868284891)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_losses_are_float32_whatever_the_forward_pass_is(batch, precision):
    torch.manual_seed(0)
    student, teacher = Dropping(), Dropping()
    distiller = Distiller([TermSettings(method="soft_target")], student, teacher, (1, 3, 8, 8), 3)
    loss = ClassificationLoss(student, distiller, precision=precision)(batch)
    assert loss.dtype == torch.float32
    assert math.isfinite(loss.item())
