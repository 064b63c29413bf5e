from __future__ import annotations

import pytest
import torch

from nas.distillation import create_loss, names

STUDENT = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
TEACHER = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, -1.0]])
SOFT_TARGET = [(1, 0.801662541808), (2, 0.939656114864), (4, 0.999101413517)]


def as_map(rows):
    """Rows of classes as the positions of a single map, 1 x classes x 1 x rows."""
    return rows.t()[None, :, None, :]


def test_the_known_losses():
    assert names() == ("logit_mse", "soft_target")


@pytest.mark.parametrize(("temperature", "value"), SOFT_TARGET)
def test_soft_target_is_the_published_value(temperature, value):
    loss = create_loss("soft_target", temperature=temperature)(STUDENT, TEACHER)
    assert loss.item() == pytest.approx(value, rel=2e-6)


@pytest.mark.parametrize(("temperature", "value"), SOFT_TARGET)
def test_soft_target_averages_over_positions_as_over_samples(temperature, value):
    loss = create_loss("soft_target", temperature=temperature)
    assert loss(as_map(STUDENT), as_map(TEACHER)).item() == pytest.approx(value, rel=2e-6)


def test_soft_target_takes_temperature_4_by_default():
    assert create_loss("soft_target")(STUDENT, TEACHER).item() == pytest.approx(0.999101413517)


def test_logit_mse_is_the_mean_of_the_squares():
    # The differences are -1, 1, 3, -0.5, -2 and 1.
    assert create_loss("logit_mse")(STUDENT, TEACHER).item() == pytest.approx(16.25 / 6)


@pytest.mark.parametrize("name", names())
def test_a_student_that_equals_its_teacher_loses_nothing(name):
    assert create_loss(name)(STUDENT, STUDENT.clone()).item() == pytest.approx(0, abs=1e-7)


def test_the_gradient_of_soft_target_is_that_of_its_formula():
    student = STUDENT.clone().requires_grad_()
    create_loss("soft_target", temperature=2.0)(student, TEACHER).backward()
    difference = (STUDENT / 2).softmax(1) - (TEACHER / 2).softmax(1)
    # T² / T of the formula and the mean over two samples.
    torch.testing.assert_close(student.grad, 2 * difference / 2)


def test_the_gradient_of_logit_mse_is_that_of_its_formula():
    student = STUDENT.clone().requires_grad_()
    create_loss("logit_mse")(student, TEACHER).backward()
    torch.testing.assert_close(student.grad, 2 * (STUDENT - TEACHER) / 6)


@pytest.mark.parametrize("name", names())
def test_the_teacher_gets_no_gradient(name):
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    create_loss(name)(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() > 0.1


@pytest.mark.parametrize(
    ("name", "options", "value"),
    [
        # 600² does not fit into half precision.
        ("logit_mse", {}, 360_000.0),
        ("soft_target", {"temperature": 1.0}, 600.0),
        ("soft_target", {"temperature": 4.0}, 2400.0),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_large_logits_of_half_precision_do_not_overflow(name, options, value, dtype):
    student = torch.tensor([[300.0, -300.0]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-300.0, 300.0]], dtype=dtype)
    loss = create_loss(name, **options)(student, teacher)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(value)
    assert student.grad.isfinite().all()
    assert student.grad.abs().min() > 0


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("shape", [(2, 1), (1, 3), (2, 3, 1)])
def test_unequal_shapes_are_refused_even_where_they_broadcast(name, shape):
    with pytest.raises(ValueError, match="unequal shapes") as caught:
        create_loss(name)(STUDENT, torch.zeros(shape))
    assert "(2, 3)" in str(caught.value)
    assert str(shape) in str(caught.value)


def test_an_unknown_loss_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="no distillation loss 'kl'; known: logit_mse, soft_tar"):
        create_loss("kl")


@pytest.mark.parametrize(
    ("name", "options"), [("soft_target", {"temprature": 2}), ("logit_mse", {"temperature": 2})]
)
def test_an_option_that_the_loss_lacks_is_refused_by_name(name, options):
    with pytest.raises(ValueError, match=f"loss '{name}'.*'{next(iter(options))}'"):
        create_loss(name, **options)


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        create_loss("soft_target", temperature=temperature)
