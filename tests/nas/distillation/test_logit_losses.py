from __future__ import annotations

import numpy
import pytest
import torch

from nas.distillation import create_loss

SOFT_TARGET = [(1, 0.801662541808), (2, 0.939656114864), (4, 0.999101413517)]


def as_map(rows):
    """Rows of classes as the positions of a single map, 1 x classes x 1 x rows."""
    return rows.t()[None, :, None, :]


def drawn(*shape):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


def softmax(row):
    exponentials = [float(numpy.exp(float(value))) for value in row]
    return [value / sum(exponentials) for value in exponentials]


def kl(teacher, student):
    return sum(p * float(numpy.log(p / q)) for p, q in zip(teacher, student, strict=True))


@pytest.mark.parametrize(("temperature", "value"), SOFT_TARGET)
def test_soft_target_is_the_published_value(temperature, value, logits):
    loss = create_loss("soft_target", temperature=temperature)(*logits)
    assert loss.item() == pytest.approx(value, rel=2e-6)


@pytest.mark.parametrize(("temperature", "value"), SOFT_TARGET)
def test_soft_target_averages_over_positions_as_over_samples(temperature, value, logits):
    student, teacher = logits
    loss = create_loss("soft_target", temperature=temperature)
    assert loss(as_map(student), as_map(teacher)).item() == pytest.approx(value, rel=2e-6)


def test_soft_target_takes_temperature_4_by_default(logits):
    assert create_loss("soft_target")(*logits).item() == pytest.approx(0.999101413517)


def test_soft_target_is_neither_without_its_factor_nor_divided_by_the_classes(logits):
    loss = create_loss("soft_target", temperature=4.0)(*logits).item()
    assert loss / 16 == pytest.approx(0.0624438383448, rel=2e-6)
    assert loss / 16 / 3 == pytest.approx(0.0208146127816, rel=2e-6)


def test_the_gradient_of_soft_target_hardly_depends_on_a_high_temperature(logits):
    student, teacher = logits
    norms = []
    for temperature in (50.0, 100.0):
        given = student.clone().requires_grad_()
        create_loss("soft_target", temperature=temperature)(given, teacher).backward()
        norms.append(given.grad.norm().item())
    assert norms[1] == pytest.approx(norms[0], rel=0.02)


def test_the_gradient_of_soft_target_is_that_of_its_formula(logits):
    given, teacher = logits
    student = given.clone().requires_grad_()
    create_loss("soft_target", temperature=2.0)(student, teacher).backward()
    difference = (given / 2).softmax(1) - (teacher / 2).softmax(1)
    # T² / T of the formula and the mean over two samples.
    torch.testing.assert_close(student.grad, 2 * difference / 2)


def test_logit_mse_is_the_mean_of_the_squares(logits):
    # The differences are -1, 1, 3, -0.5, -2 and 1.
    assert create_loss("logit_mse")(*logits).item() == pytest.approx(16.25 / 6)


def test_the_gradient_of_logit_mse_is_that_of_its_formula(logits):
    given, teacher = logits
    student = given.clone().requires_grad_()
    create_loss("logit_mse")(student, teacher).backward()
    torch.testing.assert_close(student.grad, 2 * (given - teacher) / 6)


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


@pytest.mark.parametrize("name", ["logit_mse", "soft_target", "dist"])
@pytest.mark.parametrize("shape", [(2, 1), (1, 3), (2, 3, 1)])
def test_unequal_shapes_are_refused_even_where_they_broadcast(name, shape, logits):
    with pytest.raises(ValueError, match="unequal shapes") as caught:
        create_loss(name)(logits[0], torch.zeros(shape))
    assert "(2, 3)" in str(caught.value)
    assert str(shape) in str(caught.value)


def decoupled(student, teacher, targets, temperature, alpha, beta):
    total = 0.0
    for row, teacher_row, target in zip(student, teacher, targets, strict=True):
        own, known = softmax(row / temperature), softmax(teacher_row / temperature)
        true, known_true = own.pop(target), known.pop(target)
        sure = kl([known_true, 1 - known_true], [true, 1 - true])
        others = kl([p / (1 - known_true) for p in known], [p / (1 - true) for p in own])
        total += alpha * sure + beta * others
    return total / len(targets) * temperature**2


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 4.0, "alpha": 1.0, "beta": 8.0},
        {"temperature": 1.0, "alpha": 0.0, "beta": 2.0},
        {"temperature": 2.0, "alpha": 3.0, "beta": 0.0},
    ],
)
def test_dkd_weighs_the_true_class_and_the_others(options, logits):
    targets = [2, 0]
    loss = create_loss("dkd", **options)(*logits, torch.tensor(targets))
    assert loss.item() == pytest.approx(decoupled(*logits, targets, **options), rel=5e-6)


def test_the_parts_of_dkd_make_up_soft_target(logits):
    """KL = target part + (1 - teacher's probability of the true class) x other part."""
    targets = torch.tensor([2, 0])
    total = 0.0
    for sample in range(2):
        rows = [tensor[sample : sample + 1] for tensor in logits]
        target = targets[sample : sample + 1]
        part = create_loss("dkd", temperature=1.0, alpha=1.0, beta=0.0)(*rows, target)
        others = create_loss("dkd", temperature=1.0, alpha=0.0, beta=1.0)(*rows, target)
        sure = rows[1].softmax(1)[0, target]
        total += (part + (1 - sure) * others).item() / 2
    assert total == pytest.approx(0.801662541808, rel=5e-6)


def test_dkd_uses_its_defaults(logits):
    loss = create_loss("dkd")(*logits, torch.tensor([2, 0]))
    assert loss.item() == pytest.approx(decoupled(*logits, [2, 0], 4.0, 1.0, 8.0), rel=5e-6)


def test_dkd_of_certain_networks_is_finite():
    student = torch.tensor([[300.0, -300.0, 0.0]], requires_grad=True)
    loss = create_loss("dkd", temperature=1.0)(student, -student.detach(), torch.tensor([0]))
    loss.backward()
    # Target part: 300 - -300 + 0 of rest against 300; others: 300, 0 against -300, 0.
    assert loss.item() == pytest.approx(600 - 300 + 8 * 300)
    assert student.grad.isfinite().all()


def test_dkd_passes_over_ignored_samples_and_pixels(logits):
    loss = create_loss("dkd", ignore_index=255)
    expected = decoupled(logits[0][:1], logits[1][:1], [2], 4.0, 1.0, 8.0)
    samples = loss(*logits, torch.tensor([2, 255]))
    assert samples.item() == pytest.approx(expected, rel=5e-6)
    pixels = loss(as_map(logits[0]), as_map(logits[1]), torch.tensor([[[2, 255]]]))
    assert pixels.item() == pytest.approx(expected, rel=5e-6)


def test_dkd_of_ignored_pixels_only_is_zero(logits):
    student = as_map(logits[0]).requires_grad_()
    loss = create_loss("dkd")(student, as_map(logits[1]), torch.full((1, 1, 2), -100))
    loss.backward()
    assert loss.item() == 0
    assert student.grad.abs().max() == 0


@pytest.mark.parametrize("shape", [(1,), (2, 1), (2, 3)])
def test_targets_that_do_not_fit_are_refused(shape, logits):
    with pytest.raises(ValueError, match="targets of shape") as caught:
        create_loss("dkd")(*logits, torch.zeros(shape, dtype=torch.long))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("name", ["dkd", "dist"])
def test_a_single_class_is_refused(name):
    given = [torch.ones(2, 1), torch.ones(2, 1)]
    targets = [torch.zeros(2, dtype=torch.long)] if name == "dkd" else []
    with pytest.raises(ValueError, match="at least two classes"):
        create_loss(name)(*given, *targets)


def correlations(student, teacher, temperature):
    own = numpy.array([softmax(row / temperature) for row in student])
    known = numpy.array([softmax(row / temperature) for row in teacher])
    inter = [numpy.corrcoef(a, b)[0, 1] for a, b in zip(own, known, strict=True)]
    intra = [numpy.corrcoef(a, b)[0, 1] for a, b in zip(own.T, known.T, strict=True)]
    return 1 - numpy.mean(inter), 1 - numpy.mean(intra)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_dist_is_one_minus_the_correlations(temperature):
    student, teacher = drawn(6, 5)
    inter, intra = correlations(student, teacher, temperature)
    loss = create_loss("dist", temperature=temperature, inter_weight=2.0, intra_weight=0.5)
    expected = (2 * inter + 0.5 * intra) * temperature**2
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_dist_takes_pixels_as_samples():
    student, teacher = drawn(6, 5)
    loss = create_loss("dist")
    assert loss(as_map(student), as_map(teacher)).item() == pytest.approx(
        loss(student, teacher).item(), rel=1e-5
    )


def test_dist_compares_relations_and_not_values():
    """Probabilities halfway to uniform ones correlate fully with the original ones."""
    probabilities = drawn(6, 5)[0].softmax(1)
    milder = (probabilities + 0.2) / 2
    relations = create_loss("dist")(milder.log(), probabilities.log()).item()
    values = create_loss("soft_target")(milder.log(), probabilities.log()).item()
    # Each correlation is 1 up to some roundings of 6e-8, and they are weighted by about 10.
    assert relations == pytest.approx(0, abs=1e-5)
    assert values > 0.01


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_channel_wise_is_the_divergence_over_positions(temperature):
    student, teacher = drawn(2, 3, 2, 4)
    total = 0.0
    for sample in range(2):
        for channel in range(3):
            own = softmax(student[sample, channel].flatten() / temperature)
            total += kl(softmax(teacher[sample, channel].flatten() / temperature), own)
    loss = create_loss("channel_wise", temperature=temperature)
    assert loss(student, teacher).item() == pytest.approx(temperature**2 * total / 6, rel=5e-6)


def test_channel_wise_takes_temperature_4_by_default():
    given = drawn(2, 3, 2, 4)
    explicit = create_loss("channel_wise", temperature=4.0)(*given)
    assert create_loss("channel_wise")(*given).item() == explicit.item()
    assert create_loss("channel_wise", temperature=3.0)(*given).item() != explicit.item()


def test_channel_wise_ignores_the_level_of_a_channel():
    student, teacher = drawn(2, 3, 2, 4)
    shifted = student + torch.tensor([5.0, -2.0, 1.0])[:, None, None]
    loss = create_loss("channel_wise")
    assert loss(shifted, teacher).item() == pytest.approx(loss(student, teacher).item(), rel=1e-5)


@pytest.mark.parametrize("name", ["soft_target", "dkd"])
def test_standardised_logits_have_mean_0_and_deviation_1(name, logits):
    targets = (torch.tensor([2, 0]),) if name == "dkd" else ()
    plain, standard = create_loss(name), create_loss(name, standardise=True)
    student, teacher = logits
    # Of 1, 2 and 3 the deviation is the root of 2/3.
    high = 1.5**0.5
    ours = torch.tensor([[-high, 0, high], [4, -5, 1]])
    ours[1] /= 14**0.5
    theirs = torch.tensor([[high, 0, -high], [0.5**0.5, 0.5**0.5, -(2**0.5)]])
    expected = plain(ours, theirs, *targets).item()
    assert standard(student, teacher, *targets).item() == pytest.approx(expected, rel=1e-5)
    # Neither size nor shift of the logits counts.
    assert standard(student * 3 + 1, teacher, *targets).item() == pytest.approx(expected, rel=1e-5)


def test_equal_logits_can_be_standardised():
    student = torch.ones(2, 3, requires_grad=True)
    loss = create_loss("soft_target", standardise=True)(student, torch.tensor([[1.0, 2, 3]] * 2))
    loss.backward()
    assert student.grad.isfinite().all()


def test_standardise_is_true_or_false():
    with pytest.raises(ValueError, match="standardise must be true or false, not 'yes'"):
        create_loss("soft_target", standardise="yes")
