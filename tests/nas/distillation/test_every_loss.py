"""What holds for all losses, each called with maps N x channels x height x width."""

from __future__ import annotations

import pytest
import torch

from nas.distillation import create_loss, names

SHAPE = (4, 5, 3, 3)
CHANNELS = {"student_channels": 5, "teacher_channels": 5}
CASES = [
    ("logit_mse", {}),
    ("soft_target", {}),
    ("dkd", {}),
    ("dist", {}),
    ("channel_wise", {}),
    ("feature_mse", {}),
    ("hint", {"scaling": "mean"}),
    ("hint", {"scaling": "original"}),
    ("attention", {"form": "code"}),
    ("attention", {"form": "paper"}),
    ("mgd", CHANNELS | {"mask": "channel"}),
    ("mgd", CHANNELS | {"mask": "spatial"}),
    ("similarity", {"norm": "l2"}),
    ("similarity", {"norm": "l1"}),
    ("rkd", {}),
    ("mmd", {}),
    ("nst", {}),
    ("patch_bce", {}),
    ("patch_kl", {"pool": "both"}),
    ("patch_mmd", {"attention": True}),
    ("patch_mmd", {"pool": "windows"}),
    ("multi_scale", {}),
    ("multi_scale", {"weighting": "selector"}),
    ("multi_scale", {"weighting": "student", "pool": "max"}),
    ("multi_scale", {"weighting": "teacher"}),
    ("multi_scale", {"weighting": "self_attention", "attention": True}),
    ("mad", {}),
    ("adversarial", {"channels": 5, "hidden": [16, 8]}),
    ("reconstruction", CHANNELS | {"sizes": [6, 2]}),
]
CASE_NAMES = ["-".join([name, *map(str, options.values())]) for name, options in CASES]
every_loss = pytest.mark.parametrize(("name", "options"), CASES, ids=CASE_NAMES)
# Three have layers of their own, and the least `patch_bce` is the teacher's entropy.
OWN_LAYERS = ("mgd", "adversarial", "reconstruction")
without_layers = [case for case in CASES if case[0] not in (*OWN_LAYERS, "patch_bce")]
CLASSIFIER = torch.nn.Linear(5, 2, bias=False)
with torch.no_grad():
    CLASSIFIER.weight.copy_((4 * torch.linspace(-2, 3, 10).sin()).reshape(2, 5))
every_loss_without_layers = pytest.mark.parametrize(("name", "options"), without_layers)


def pair(scale=1.0):
    generator = torch.Generator().manual_seed(0)
    student = torch.rand(SHAPE, generator=generator)
    return scale * student, scale * torch.rand(SHAPE, generator=generator)


def made(name, options):
    torch.manual_seed(0)
    return create_loss(name, **options)


def call(loss, student, teacher):
    """The loss, with targets where it needs them and the same mask every time."""
    torch.manual_seed(1)
    if loss.needs_targets:
        targets = torch.arange(4)[:, None, None].expand(4, *SHAPE[2:])
        return loss(student, teacher, targets)
    if loss.info.needs_classifiers:
        return loss(student, teacher, CLASSIFIER, CLASSIFIER)
    return loss(student, teacher)


def test_every_name_has_a_case():
    assert {name for name, _ in CASES} == set(names())


@every_loss
def test_the_student_learns_and_the_teacher_does_not(name, options):
    student, teacher = (tensor.requires_grad_() for tensor in pair())
    loss = call(made(name, options), student, teacher)
    assert loss.requires_grad
    assert loss.shape == ()
    loss.backward()
    assert teacher.grad is None
    assert student.grad.isfinite().all()
    assert student.grad.abs().max() > 1e-6


# The bandwidth of the discrepancy, weights made of the student, and what the discriminator learns
# of it are no part of the gradient.
@pytest.mark.parametrize(
    ("name", "options"),
    [
        (name, options)
        for name, options in CASES
        if "mmd" not in name
        and name != "adversarial"
        and options.get("weighting", "teacher") == "teacher"
    ],
)
def test_the_gradient_is_the_slope_of_the_loss(name, options):
    student, teacher = pair()
    loss = made(name, options)
    student.requires_grad_()
    value = call(loss, student, teacher)
    value.backward()
    step = student.grad / student.grad.norm()
    with torch.no_grad():
        up = call(loss, student + 0.01 * step, teacher)
        down = call(loss, student - 0.01 * step, teacher)
    assert (up - down).item() / 0.02 == pytest.approx(student.grad.norm().item(), rel=0.05)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_magnitude_300_is_computed_in_float32(name, options, dtype):
    student, teacher = (tensor.to(dtype) for tensor in pair(scale=300))
    student.requires_grad_()
    loss = made(name, options)
    value = call(loss, student, teacher)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert student.grad.isfinite().all()
    assert value.item() == call(loss, student.detach().float(), teacher.float()).item()


@every_loss
def test_autocast_changes_nothing(name, options):
    student, teacher = pair(scale=300)
    loss = made(name, options)
    expected = call(loss, student, teacher)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert call(loss, student, teacher).item() == expected.item()


@every_loss
def test_float64_comes_out_as_float32(name, options):
    student, teacher = pair()
    loss = made(name, options)
    value = call(loss, student.double(), teacher.double())
    assert value.dtype == torch.float32
    assert value.item() == call(loss, student, teacher).item()


@every_loss_without_layers
def test_a_student_that_equals_its_teacher_loses_nothing(name, options):
    student, teacher = pair()
    loss = made(name, options)
    assert call(loss, student, teacher) > 1e-4
    # DIST divides by norms + 1e-8, so even equal predictions do not correlate fully.
    assert call(loss, teacher.clone(), teacher).item() == pytest.approx(0, abs=5e-6)


@every_loss_without_layers
def test_features_that_are_all_zero_have_a_loss_and_a_gradient(name, options):
    _, teacher = pair()
    student = torch.zeros(SHAPE, requires_grad=True)
    loss = call(made(name, options), student, teacher)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


@every_loss
def test_the_order_of_the_batch_does_not_matter(name, options):
    options = options | {"mask_ratio": 0.0} if name == "mgd" else options
    student, teacher = pair()
    loss = made(name, options)
    targets = torch.tensor([0, 4, 2, 1])[:, None, None].expand(4, *SHAPE[2:])
    order = torch.tensor([2, 0, 3, 1])
    given = [student, teacher, targets][: 3 if loss.needs_targets else 2]
    permuted = [tensor[order] for tensor in given]
    others = [CLASSIFIER, CLASSIFIER] if loss.info.needs_classifiers else []
    expected = loss(*given, *others).item()
    assert loss(*permuted, *others).item() == pytest.approx(expected, rel=1e-5)


@every_loss
@pytest.mark.parametrize("shape", [(3, 5, 3, 3), (1, 5, 3, 3), (4,)])
def test_other_batches_are_refused_with_both_shapes(name, options, shape):
    student, _ = pair()
    with pytest.raises(ValueError) as caught:
        call(made(name, options), student, torch.ones(shape))
    assert str(SHAPE) in str(caught.value)
    assert str(shape) in str(caught.value)


NEEDS_EQUAL_SHAPES = [
    case
    for case in CASES
    if case[0] not in ("attention", "nst", "similarity", "rkd", "multi_scale", "mad")
    and case[0] not in ("adversarial", "reconstruction")
    and not case[0].startswith("patch")
]


@pytest.mark.parametrize(("name", "options"), NEEDS_EQUAL_SHAPES)
@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (4, 5, 1, 1), (4, 5, 6, 6), (4, 5, 3)])
def test_other_maps_are_refused_even_where_they_broadcast(name, options, shape):
    student, _ = pair()
    with pytest.raises(ValueError) as caught:
        call(made(name, options), student, torch.ones(shape))
    assert str(SHAPE) in str(caught.value)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("name", ["attention", "nst", "channel_wise"])
def test_losses_on_positions_refuse_what_has_none(name):
    with pytest.raises(ValueError, match=r"must be maps.*\(4, 5\) and \(4, 5\)"):
        create_loss(name)(torch.ones(4, 5), torch.ones(4, 5))
