"""Adversarial transfer and reconstruction, whose losses have layers of their own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nas.distillation import Distiller, TermSettings, create_loss


def test_a_discriminator_that_knows_nothing_costs_one_bit_twice():
    loss = create_loss("adversarial", channels=3, hidden=[4])
    for parameter in loss.parameters():
        nn.init.zeros_(parameter)
    value = loss(torch.rand(5, 3), torch.rand(5, 3))
    assert value.item() == pytest.approx(2 * math.log(2))


def test_the_discriminator_learns_to_tell_and_the_student_to_be_taken_for_the_teacher():
    """A linear discriminator of one feature: its logit of "teacher" is the feature itself."""
    loss = create_loss("adversarial", channels=1, hidden=[1])
    with torch.no_grad():
        loss.discriminator[0].weight.fill_(1)
        loss.discriminator[0].bias.zero_()
        loss.discriminator[2].weight.copy_(torch.tensor([[0.0], [1.0]]))
        loss.discriminator[2].bias.zero_()
    student = torch.tensor([[1.0]], requires_grad=True)
    loss(student, torch.tensor([[2.0]])).backward()
    chance = 1 / (1 + math.exp(-1))
    # Of the student: minus the log of its chance to be taken for the teacher.
    assert student.grad.item() == pytest.approx(chance - 1)
    # Of the discriminator: the mean over both features of (chance less truth) times the feature.
    of_teacher = 1 / (1 + math.exp(-2))
    expected = (chance * 1 + (of_teacher - 1) * 2) / 2
    assert loss.discriminator[2].weight.grad[1].item() == pytest.approx(expected, rel=1e-5)


def test_a_student_follows_the_distribution_of_its_teacher():
    torch.manual_seed(0)
    loss = create_loss("adversarial", channels=2, hidden=[16])
    teacher = torch.randn(64, 2) * 0.2 + torch.tensor([2.0, -1.0])
    student = nn.Parameter(torch.randn(64, 2) * 0.2)
    before = (student.mean(0) - teacher.mean(0)).norm().item()
    optimiser = torch.optim.Adam([student, *loss.parameters()], lr=0.01, betas=(0.5, 0.9))
    for _ in range(400):
        optimiser.zero_grad()
        loss(student, teacher).backward()
        optimiser.step()
    assert (student.mean(0) - teacher.mean(0)).norm().item() < 0.5 * before


def test_a_map_is_drawn_at_each_size():
    loss = create_loss("reconstruction", student_channels=1, teacher_channels=1, sizes=[2, 1])
    for decoder, factor in zip(loss.decoders, (2.0, 3.0), strict=True):
        nn.init.constant_(decoder.weight, factor)
        nn.init.zeros_(decoder.bias)
    student = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    teacher = torch.ones(1, 1, 4, 4)
    of_two = ((2 * student - 1) ** 2).mean()
    of_one = (3 * student.mean() - 1) ** 2
    assert loss(student, teacher).item() == pytest.approx(((of_two + of_one) / 2).item())


class Branches(nn.Module):
    """Takes the second channel apart, as a network with branches does."""

    def __init__(self):
        super().__init__()
        self.depth = nn.Identity()
        self.conv = nn.Conv2d(2, 3, 3, 2, 1)
        self.fc = nn.Linear(3, 2)

    def forward(self, images):
        depth = self.depth(images[:, 1:])
        return self.fc(self.conv(torch.cat([images[:, :1], depth], dim=1)).mean(dim=(2, 3)))


def test_a_student_draws_the_images_of_a_sensor_of_its_teacher():
    torch.manual_seed(0)
    student, teacher = Branches(), Branches()
    term = TermSettings(
        method="reconstruction", weight=1, student="conv", teacher="depth", options={"sizes": [4]}
    )
    distiller = Distiller([term], student, teacher, (1, 2, 8, 8), 2)
    images = torch.rand(6, 2, 8, 8)
    step = distiller.step(images)
    loss = distiller.terms["reconstruction"].comparisons[0].loss
    drawn = loss.decoders[0](student.conv(images))
    target = nn.functional.adaptive_avg_pool2d(images[:, 1:], 4)
    assert step.total.item() == pytest.approx((drawn - target).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("adversarial", {"channels": 3, "hidden": []}, "hidden must be a list of widths"),
        ("adversarial", {"channels": 3, "hidden": [0]}, "every width of hidden"),
        (
            "reconstruction",
            {"student_channels": 3, "teacher_channels": 1, "sizes": []},
            "sizes must be a list",
        ),
    ],
)
def test_wrong_options_are_refused(name, options, reason):
    with pytest.raises(ValueError, match=reason):
        create_loss(name, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adversarial", {"channels": 3}),
        ("reconstruction", {"student_channels": 3, "teacher_channels": 3}),
    ],
)
def test_other_channels_are_refused(name, options):
    with pytest.raises(ValueError, match="channels"):
        create_loss(name, **options)(torch.ones(2, 4, 3, 3), torch.ones(2, 3, 3, 3))
