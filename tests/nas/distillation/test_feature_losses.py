from __future__ import annotations

import pytest
import torch

from nas.distillation import create_loss


@pytest.fixture
def wide_maps():
    """Student and teacher, 2 samples x 3 channels x 2 x 2."""
    student = torch.arange(24, dtype=torch.float64).reshape(2, 3, 2, 2) / 10
    return student.float(), (student.flip(1) * 1.5).float()


def test_feature_mse_is_the_reference_value(maps):
    assert create_loss("feature_mse")(*maps).item() == pytest.approx(0.460400146919, rel=2e-6)


@pytest.mark.parametrize(("scaling", "value"), [("mean", 1.09041666667), ("original", 1.635625)])
def test_hint_is_the_reference_value(scaling, value, wide_maps):
    loss = create_loss("hint", scaling=scaling)(*wide_maps)
    assert loss.item() == pytest.approx(value, rel=2e-6)


def test_hint_takes_the_mean_by_default(wide_maps):
    assert create_loss("hint")(*wide_maps).item() == pytest.approx(1.09041666667, rel=2e-6)


@pytest.mark.parametrize(
    ("form", "value"), [("code", 0.000452968964147), ("paper", 0.0416716260093)]
)
def test_attention_is_the_reference_value(form, value, maps):
    assert create_loss("attention", form=form)(*maps).item() == pytest.approx(value, rel=1e-5)


def test_attention_takes_the_form_of_the_code_by_default(maps):
    assert create_loss("attention")(*maps).item() == pytest.approx(0.000452968964147, rel=1e-5)


@pytest.mark.parametrize("form", ["code", "paper"])
def test_attention_ignores_the_scale_of_the_features(form, maps):
    student, teacher = maps
    loss = create_loss("attention", form=form)
    assert loss(7 * student, teacher).item() == pytest.approx(
        loss(student, teacher).item(), rel=1e-4
    )


def test_attention_averages_the_larger_map_down(maps):
    student, teacher = maps
    loss = create_loss("attention")
    # Every position four times: the averages are the original map.
    large = teacher.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = loss(student, teacher).item()
    assert loss(student, large).item() == pytest.approx(expected, rel=1e-5)
    assert loss(teacher, student.repeat_interleave(2, dim=2)).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_attention_takes_the_smaller_side_of_each_axis():
    tall, wide = torch.ones(1, 1, 4, 3), torch.ones(1, 1, 2, 6)
    tall[0, 0, :2, 0] = 3.0
    wide[0, 0, 0, :2] = 3.0
    # Both average to [[3, 1, 1], [1, 1, 1]].
    assert create_loss("attention")(tall, wide).item() == pytest.approx(0, abs=1e-12)
    wide[0, 0, 0] = 1.0
    # The squares of the one are 9 and five times 1, those of the other are all 1.
    own = torch.tensor([9.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    expected = (own / own.norm() - 6**-0.5).square().mean().item()
    assert create_loss("attention")(tall, wide).item() == pytest.approx(expected, rel=1e-5)


def test_attention_ignores_the_number_of_channels(maps):
    student, teacher = maps
    loss = create_loss("attention")
    doubled = teacher.repeat(1, 2, 1, 1)
    assert loss(student, doubled).item() == pytest.approx(loss(student, teacher).item(), rel=1e-5)
