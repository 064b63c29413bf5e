from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.distillation import Distiller, TermSettings, create_loss
from nas.distillation.cells import attention_maps, cells_of, count_cells

STUDENT = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
TEACHER = torch.tensor([[2.0, 1.0], [1.0, 1.0]])


def maps_of(logits, size=4):
    """Maps whose every position holds the logits of its sample."""
    return logits[:, :, None, None].expand(-1, -1, size, size).clone()


def call(name, student=None, teacher=None, **options):
    """A loss between maps that are their own logits."""
    student = maps_of(STUDENT) if student is None else student
    teacher = maps_of(TEACHER) if teacher is None else teacher
    identity = nn.Identity()
    return create_loss(name, **options)(student, teacher, identity, identity)


def test_cells_are_averages_row_after_row_and_grid_after_grid():
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert cells_of(maps, (2, 1), "average").tolist() == [[[2.5, 4.5, 10.5, 12.5, 7.5]]]
    assert cells_of(maps, (2, 1), "max").tolist() == [[[5, 7, 13, 15, 15]]]
    assert cells_of(maps, (2,), "both").tolist() == [[[7.5, 11.5, 23.5, 27.5]]]
    assert cells_of(maps, (4,), "windows").tolist() == [
        [[2.5, 3.5, 4.5, 6.5, 7.5, 8.5, 10.5, 11.5, 12.5]]
    ]


@pytest.mark.parametrize(
    ("levels", "pool", "cells"),
    [((4,), "average", 16), ((4, 2, 1), "average", 21), ((4,), "windows", 9), ((3, 1), "max", 10)],
)
def test_the_number_of_cells_follows_from_the_grids(levels, pool, cells):
    assert count_cells(levels, pool) == cells
    assert cells_of(torch.zeros(2, 3, 7, 5), levels, pool).shape == (2, 3, cells)


def test_attention_maps_have_a_norm_of_1_for_each_channel(maps):
    norms = attention_maps(maps[0]).flatten(2).norm(dim=2)
    # The very first channel is small, so that the number beside the norm shows.
    assert norms == pytest.approx(torch.ones(2, 2), abs=1e-4)


def test_cross_entropy_of_scores_has_the_published_value():
    assert call("patch_bce").item() == pytest.approx(0.997866772065, rel=1e-6)
    floor = call("patch_bce", maps_of(TEACHER)).item()
    assert floor == pytest.approx(0.637675144724, rel=1e-6)
    assert call("patch_kl").item() == pytest.approx(0.997866772065 - floor, rel=1e-5)


@pytest.mark.parametrize(
    "weighting", ["uniform", "selector", "student", "teacher", "self_attention"]
)
def test_equal_cells_of_all_scales_give_soft_targets(weighting):
    torch.manual_seed(0)
    expected = create_loss("soft_target", temperature=2.0)(STUDENT, TEACHER).item()
    found = call("multi_scale", temperature=2.0, weighting=weighting)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_three_classes_have_the_published_value(logits):
    student, teacher = map(maps_of, logits)
    found = call("multi_scale", student, teacher, temperature=2.0)
    assert found.item() == pytest.approx(0.939656114864, rel=1e-6)
    with pytest.raises(ValueError, match="two classes, and these are 3; choose multi_scale"):
        call("patch_bce", student, teacher)


def test_the_discrepancy_is_that_of_rows_of_scores():
    rows = [
        (logits[:, 0] - logits[:, 1]).sigmoid()[:, None].repeat(1, 21)
        for logits in (STUDENT, TEACHER)
    ]
    expected = create_loss("mmd")(*rows).item()
    assert call("patch_mmd", levels=[4, 2, 1]).item() == pytest.approx(expected, rel=1e-6)
    assert expected > 0.1


def test_self_attention_weighs_cells_that_are_far_off():
    student = maps_of(TEACHER, 2)
    student[:, 0, 0, 0] += 3
    uniform, weighed = (
        call("multi_scale", student, maps_of(TEACHER, 2), levels=[2], weighting=weighting).item()
        for weighting in ("uniform", "self_attention")
    )
    assert weighed > 1.15 * uniform


def test_a_selector_learns_beside_the_student():
    loss = create_loss("multi_scale", weighting="selector")
    student = torch.rand(3, 4, 5, 5, requires_grad=True)
    classifier = nn.Linear(4, 2)
    loss(student, torch.rand(3, 4, 5, 5), classifier, nn.Linear(4, 2)).backward()
    assert loss.selector.weight.grad.abs().max() > 0
    assert classifier.weight.grad.abs().max() > 0


def test_similarities_weighed_by_entropy_have_the_published_value(maps, logits):
    known = logits[1].double()
    found = create_loss("mad")(*maps, nn.Identity(), lambda features: known)
    assert found.item() == pytest.approx(0.000405144572922, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": []}, "levels must be a list"),
        ({"levels": 4}, "levels must be a list"),
        ({"levels": [4, 0]}, "every level must be a whole number from 1, not 0"),
        ({"levels": [2, 1], "pool": "windows"}, "needs grids of 2 rows and more"),
        ({"pool": "mean"}, "pool must be 'average' or"),
        ({"attention": "yes"}, "attention must be true or false"),
        ({"weighting": "equal"}, "weighting must be 'uniform' or"),
        ({"temperature": 0}, "temperature must be above 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        create_loss("multi_scale", **options)


class Network(nn.Module):
    """A map, its mean, and a classifier of `classified` features."""

    def __init__(self, width, classified=None):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, 4, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.wider = nn.Linear(width, classified) if classified else nn.Identity()
        self.fc = nn.Linear(classified or width, 2)

    def forward(self, images):
        return self.fc(self.wider(self.pool(self.conv(images)).flatten(1)))


@pytest.mark.parametrize("method", ["patch_bce", "patch_kl", "patch_mmd", "multi_scale", "mad"])
def test_networks_share_no_more_than_the_loss(method):
    torch.manual_seed(0)
    student, teacher = Network(6), Network(10)
    distiller = Distiller([TermSettings(method=method)], student, teacher, (1, 3, 32, 32), 2)
    assert not list(distiller.parameters())
    distiller.step(torch.randn(4, 3, 32, 32)).total.backward()
    assert student.conv.weight.grad.abs().max() > 0
    # `mad` compares features alone.
    assert (student.fc.weight.grad is None) == (method == "mad")
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_classifier_of_other_features_is_refused():
    with pytest.raises(ValueError, match="takes 8 features, and the map at 'conv' has 6"):
        Distiller([TermSettings(method="patch_bce")], Network(6, 8), Network(10), (1, 3, 32, 32), 2)
