from __future__ import annotations

import numpy
import pytest
import torch

from nas.distillation import create_loss

CORNER = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def drawn(*shape):
    generator = torch.Generator().manual_seed(7)
    return torch.randn(shape, generator=generator)


def discrepancy(student, teacher):
    rows = numpy.concatenate([student, teacher])
    count, total = len(student), len(rows)
    squares = [[float(((a - b) ** 2).sum()) for b in rows] for a in rows]
    mean = sum(map(sum, squares)) / (total * (total - 1))
    bandwidths = [mean * factor for factor in (0.25, 0.5, 1, 2, 4)]

    def kernel(i, j):
        return sum(numpy.exp(-squares[i][j] / bandwidth) for bandwidth in bandwidths)

    return sum(
        kernel(i, j) + kernel(i + count, j + count) - kernel(i, j + count) - kernel(i + count, j)
        for i in range(count)
        for j in range(count)
    ) / (count**2)


def test_mmd_is_the_reference_value():
    assert create_loss("mmd")(CORNER, CORNER + 1).item() == pytest.approx(3.15873740395, rel=2e-6)


def test_mmd_sums_five_gaussians_over_all_pairs():
    student, teacher = drawn(4, 3), drawn(8, 3)[4:] + 0.5
    expected = discrepancy(student.double().numpy(), teacher.double().numpy())
    assert create_loss("mmd")(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_the_bandwidth_of_mmd_is_no_part_of_its_gradient():
    """For one pair at distance d: 2 Σ (1 - exp(-d² / b)) with slope 2 Σ exp(-d² / b) 2d / b."""
    distance = 0.5
    student = torch.tensor([[distance]], requires_grad=True)
    create_loss("mmd")(student, torch.zeros(1, 1)).backward()
    bandwidths = [distance**2 * factor for factor in (0.25, 0.5, 1, 2, 4)]
    slope = sum(4 * distance / b * numpy.exp(-(distance**2) / b) for b in bandwidths)
    assert student.grad.item() == pytest.approx(slope, rel=1e-5)


def test_mmd_of_equal_batches_is_zero():
    assert create_loss("mmd")(CORNER, CORNER.clone()).item() == 0


def test_mmd_is_symmetric_and_not_negative():
    loss = create_loss("mmd")
    student, teacher = drawn(4, 3), drawn(8, 3)[4:]
    assert loss(student, teacher).item() == pytest.approx(loss(teacher, student).item(), rel=1e-6)
    assert loss(student, teacher).item() > 0.01
    assert loss(student, student[torch.tensor([2, 0, 3, 1])]).item() == pytest.approx(0, abs=1e-6)


def test_mmd_does_not_pair_the_samples():
    loss = create_loss("mmd")
    student, teacher = drawn(4, 3), drawn(8, 3)[4:]
    assert loss(student, teacher.flip(0)).item() == pytest.approx(
        loss(student, teacher).item(), rel=1e-5
    )


@pytest.mark.parametrize("value", [0.0, 1.0, 300.0])
def test_mmd_without_a_bandwidth_is_zero(value):
    student = torch.full((3, 2), value, requires_grad=True)
    loss = create_loss("mmd")(student, torch.full((3, 2), value))
    loss.backward()
    assert loss.item() == 0
    assert student.grad.abs().max() == 0


def test_mmd_with_a_vanishing_bandwidth_is_finite():
    student = torch.zeros(3, 2)
    student[0, 0] = 1e-22
    student.requires_grad_()
    loss = create_loss("mmd")(student, torch.zeros(3, 2))
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def test_mmd_tells_near_points_far_from_the_origin_apart():
    """The bandwidth follows the scale, and no difference between the points is rounded."""
    near = CORNER / 64 + 1024
    loss = create_loss("mmd")(near, near + 1 / 64)
    assert loss.item() == pytest.approx(3.15873740395, rel=2e-6)


def test_mmd_refuses_batches_of_unequal_size():
    with pytest.raises(ValueError, match=r"same samples, not \(3, 2\) and \(2, 2\)"):
        create_loss("mmd")(CORNER, CORNER[:2])


def polynomial(student, teacher):
    def rows(maps):
        flat = maps.reshape(maps.shape[0], maps.shape[1], -1)
        return flat / numpy.linalg.norm(flat, axis=2, keepdims=True)

    def kernel(first, second):
        return numpy.mean([[(a @ b) ** 2 for b in second] for a in first])

    pairs = list(zip(rows(student), rows(teacher), strict=True))
    return numpy.mean([kernel(s, s) + kernel(t, t) - 2 * kernel(s, t) for s, t in pairs])


def test_nst_is_the_reference_value(maps):
    assert create_loss("nst")(*maps).item() == pytest.approx(0.0131003673313, rel=1e-5)


@pytest.mark.parametrize(
    ("student_channels", "teacher_channels", "size"), [(2, 3, 3), (7, 9, 2), (3, 7, 2)]
)
def test_nst_compares_all_pairs_of_channels(student_channels, teacher_channels, size):
    """Few channels and few positions are computed in different ways."""
    student = drawn(2, student_channels, size, size)
    teacher = drawn(2, teacher_channels, size, size).flip(0) + 0.3
    expected = polynomial(student.double().numpy(), teacher.double().numpy())
    assert create_loss("nst")(student, teacher).item() == pytest.approx(expected, rel=1e-4)


def test_nst_averages_the_larger_map_down(maps):
    student, teacher = maps
    large = student.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    assert create_loss("nst")(large, teacher).item() == pytest.approx(0.0131003673313, rel=1e-5)


def test_nst_ignores_the_scale_of_the_features(maps):
    student, teacher = maps
    assert create_loss("nst")(5 * student, teacher).item() == pytest.approx(
        0.0131003673313, rel=1e-4
    )
