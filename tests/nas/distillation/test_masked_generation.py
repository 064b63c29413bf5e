from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.distillation import create_loss


def identical(channels, **options):
    """A loss that masks, and whose convolutions hand on what is not negative."""
    loss = create_loss("mgd", student_channels=channels, teacher_channels=channels, **options)
    for layer in loss.generator:
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
    return loss


def test_mgd_without_a_mask_is_the_reference_value(maps):
    loss = identical(2, mask_ratio=0.0)
    assert loss(*maps).item() == pytest.approx(0.000257824082275, rel=5e-6)


def test_mgd_with_a_mask_is_the_reference_value(maps):
    loss = identical(2)
    loss.draw_mask = lambda _: torch.tensor([[1.0, 0.0], [0.0, 1.0]])[:, :, None, None]
    assert loss(*maps).item() == pytest.approx(0.000662623169839, rel=5e-6)


def test_mgd_with_a_spatial_mask_drops_positions_of_all_channels(maps):
    student, teacher = maps
    loss = identical(2, mask="spatial", alpha=0.5)
    kept = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]])
    loss.draw_mask = lambda _: kept[:, None]
    total = 0.0
    for sample, channel, row, column in torch.cartesian_prod(*[torch.arange(2)] * 4).tolist():
        own = student[sample, channel, row, column] * kept[sample, row, column]
        total += float(own - teacher[sample, channel, row, column]) ** 2
    assert loss(student, teacher).item() == pytest.approx(0.5 * total / 2, rel=5e-6)


def test_the_generator_has_a_relu(maps):
    student, teacher = maps
    loss = identical(2, mask_ratio=0.0, alpha=1.0)
    # Nothing of a negative map passes.
    assert loss(-student - 1, teacher).item() == pytest.approx(
        teacher.square().sum().item() / 2, rel=5e-6
    )


def test_the_generator_sees_the_neighbourhood():
    loss = identical(1, mask_ratio=0.0, alpha=1.0)
    with torch.no_grad():
        loss.generator[0].weight.fill_(1.0)
        loss.generator[2].weight.fill_(1.0)
    student = torch.zeros(1, 1, 7, 7)
    student[0, 0, 3, 3] = 1.0
    # Two sums over 3 x 3 neighbours spread a point over 5 x 5.
    spread = torch.tensor([0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0])
    assert loss(student, torch.outer(spread, spread)[None, None]).item() == 0


@pytest.mark.parametrize(
    ("mask", "options", "shape"),
    [("channel", {}, (6, 500, 1, 1)), ("spatial", {"mask_ratio": 0.3}, (6, 1, 24, 25))],
)
def test_a_mask_drops_its_share(mask, options, shape):
    torch.manual_seed(0)
    loss = create_loss("mgd", student_channels=500, teacher_channels=500, mask=mask, **options)
    drawn = loss.draw_mask(torch.ones(6, 500, 24, 25))
    assert drawn.shape == shape
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    # Four standard deviations of 3000 or more draws.
    assert 1 - drawn.mean().item() == pytest.approx(loss.mask_ratio, abs=0.035)


def test_the_mask_is_drawn_anew_and_applied(maps):
    torch.manual_seed(0)
    loss = identical(2, mask_ratio=0.5)
    assert len({loss(*maps).item() for _ in range(8)}) > 1


@pytest.mark.parametrize(
    ("mask", "alpha", "ratio"), [("channel", 7e-5, 0.15), ("spatial", 2e-5, 0.75)]
)
def test_weight_and_share_are_the_authors_for_the_mask(mask, alpha, ratio):
    loss = create_loss("mgd", student_channels=2, teacher_channels=2, mask=mask)
    assert (loss.alpha, loss.mask_ratio) == (alpha, ratio)


def test_unequal_channels_get_an_adapter_that_learns():
    torch.manual_seed(0)
    loss = create_loss("mgd", student_channels=2, teacher_channels=3, mask_ratio=0.0)
    student = torch.rand(2, 2, 4, 4, requires_grad=True)
    loss(student, torch.rand(2, 3, 4, 4)).backward()
    assert loss.adapter.weight.shape == (3, 2, 1, 1)
    assert student.grad.abs().max() > 0
    assert all(parameter.grad.abs().max() > 0 for parameter in loss.parameters())


def test_equal_channels_need_no_adapter():
    loss = create_loss("mgd", student_channels=2, teacher_channels=2)
    assert list(loss.adapter.parameters()) == []


@pytest.mark.parametrize(
    ("student", "teacher"),
    [
        ((2, 3, 4, 4), (2, 3, 4, 4)),
        ((2, 2, 4, 4), (2, 2, 4, 4)),
        ((2, 2, 4, 4), (2, 3, 8, 8)),
        ((2, 2, 4, 4), (2, 3, 1, 1)),
        ((1, 2, 4, 4), (2, 3, 4, 4)),
        ((2, 2), (2, 3)),
    ],
)
def test_maps_that_do_not_fit_are_refused_with_both_shapes(student, teacher):
    loss = create_loss("mgd", student_channels=2, teacher_channels=3)
    with pytest.raises(ValueError, match="2 student and 3 teacher channels") as caught:
        loss(torch.ones(student), torch.ones(teacher))
    assert f"{student} and {teacher}" in str(caught.value)
