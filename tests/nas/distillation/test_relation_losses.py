from __future__ import annotations

import numpy
import pytest
import torch

from nas.distillation import create_loss


def drawn(*shape):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(shape, generator=generator)


@pytest.mark.parametrize(("norm", "value"), [("l2", 0.00020720118616), ("l1", 0.000145269876834)])
def test_similarity_is_the_reference_value(norm, value, maps):
    assert create_loss("similarity", norm=norm)(*maps).item() == pytest.approx(value, rel=1e-5)


def test_similarity_scales_rows_by_l2_unless_asked_otherwise(maps):
    assert create_loss("similarity")(*maps).item() == pytest.approx(0.00020720118616, rel=1e-5)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_similarity_ignores_the_scale_of_the_features(norm, maps):
    student, teacher = maps
    loss = create_loss("similarity", norm=norm)
    expected = loss(student, teacher).item()
    assert loss(7 * student, teacher).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["similarity", "rkd"])
def test_relations_compare_features_of_any_shape(name):
    student = drawn(4, 6)
    loss = create_loss(name)
    # The same samples, with a second copy of every feature as a map.
    teacher = student.repeat(1, 2).reshape(4, 3, 2, 2)
    assert loss(student, teacher).item() == pytest.approx(0, abs=1e-9)
    assert loss(student, teacher.flip(0)[:, :1]).item() > 1e-3


@pytest.mark.parametrize("name", ["similarity", "rkd"])
def test_a_batch_of_one_has_no_relations(name):
    student = drawn(1, 6).requires_grad_()
    loss = create_loss(name)(student, drawn(1, 3))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max().item() == pytest.approx(0, abs=1e-6)


def test_the_gram_matrix_of_a_large_half_precision_map_does_not_overflow():
    # Each entry is 2048 x 7 x 7 = 100352; the largest number of half precision is 65504.
    student = torch.ones(2, 2048, 7, 7, dtype=torch.float16)
    student[1, :1024] = 0
    teacher = torch.ones(2, 2048, 7, 7, dtype=torch.float16)
    # Grams [[2, 1], [1, 1]] and [[1, 1], [1, 1]].
    student_rows = numpy.array([[2, 1], [1, 1]]) / numpy.sqrt([[5], [2]])
    expected = ((student_rows - numpy.sqrt(0.5)) ** 2).mean()
    assert create_loss("similarity")(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def huber(difference):
    return difference**2 / 2 if abs(difference) < 1 else abs(difference) - 0.5


def distance_loss(student, teacher):
    def relative(rows):
        every = [[float(numpy.linalg.norm(a - b)) for b in rows] for a in rows]
        apart = [value for row in every for value in row if value > 0]
        return numpy.array(every) / (sum(apart) / len(apart))

    differences = relative(student) - relative(teacher)
    return numpy.mean([huber(value) for value in differences.flatten()])


def angle_loss(student, teacher):
    def cosine(rows, vertex, first, second):
        one, other = rows[first] - rows[vertex], rows[second] - rows[vertex]
        norms = numpy.linalg.norm(one) * numpy.linalg.norm(other)
        return float(one @ other / norms) if norms else 0.0

    samples = range(len(student))
    return numpy.mean(
        [
            huber(cosine(student, i, j, k) - cosine(teacher, i, j, k))
            for i in samples
            for j in samples
            for k in samples
        ]
    )


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, (25, 50)),
        ({"distance_weight": 2.0, "angle_weight": 0.0}, (2, 0)),
        ({"distance_weight": 0, "angle_weight": 3}, (0, 3)),
    ],
)
def test_rkd_compares_distances_and_angles(options, weights):
    # Far apart from each other, so that both branches of the Huber loss are used.
    student = drawn(5, 3) * torch.tensor([10.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    teacher = drawn(5, 4).flip(0)
    arrays = student.double().numpy(), teacher.double().numpy()
    expected = weights[0] * distance_loss(*arrays) + weights[1] * angle_loss(*arrays)
    assert create_loss("rkd", **options)(student, teacher).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_rkd_ignores_scale_rotation_and_shift():
    student, teacher = drawn(6, 4), drawn(12, 4)[6:]
    rotation = torch.linalg.qr(drawn(4, 4))[0]
    loss = create_loss("rkd")
    moved = 3 * student @ rotation + 2
    assert loss(moved, teacher).item() == pytest.approx(loss(student, teacher).item(), rel=1e-4)


def test_rkd_tells_near_samples_far_from_the_origin_apart():
    """No difference between the moved samples is rounded."""
    student, teacher = (64 * drawn(6, 4)).round() / 64, drawn(12, 4)[6:]
    loss = create_loss("rkd")
    assert loss(student + 1024, teacher).item() == pytest.approx(
        loss(student, teacher).item(), rel=1e-5
    )


def test_rkd_has_an_even_gradient_where_samples_coincide():
    student = drawn(5, 4)
    student[1] = student[0]
    student.requires_grad_()
    create_loss("rkd")(student, drawn(10, 4)[5:]).backward()
    assert 0 < student.grad.abs().max() < 100
