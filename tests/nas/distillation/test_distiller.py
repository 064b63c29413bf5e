from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from nas.distillation import IGNORED_TARGET, Distiller, TermSettings, create_loss, names
from nas.vision_libraries import timm

SHAPE = (1, 3, 16, 16)


def network(width, classes=5, seed=0):
    """Maps at strides 2, 4 and 8 of 1, 2 and 3 times the width."""
    torch.manual_seed(seed)
    stages = {
        f"stage{number}": nn.Sequential(
            nn.Conv2d(3 if number == 1 else (number - 1) * width, number * width, 3, 2, 1),
            nn.BatchNorm2d(number * width),
            nn.ReLU(),
        )
        for number in (1, 2, 3)
    }
    head = {
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "drop": nn.Dropout(0.5),
        "classifier": nn.Linear(3 * width, classes),
    }
    return nn.Sequential(OrderedDict(stages | head))


class Segmenter(nn.Module):
    """Logits at a stride, and those of an auxiliary head where asked."""

    def __init__(self, width, stride, classes=3):
        super().__init__()
        self.encoder = nn.Conv2d(3, width, 3, stride, 1)
        self.classifier = nn.Conv2d(width, classes, 1)
        self.auxiliary = nn.Conv2d(width, classes, 1)

    def forward(self, images):
        return self.classifier(self.encoder(images))

    def forward_with_auxiliary(self, images):
        maps = self.encoder(images)
        return self.classifier(maps), [self.auxiliary(maps)]


@pytest.fixture
def student():
    return network(4, seed=1).train()


@pytest.fixture
def teacher():
    return network(6, seed=2).train()


@pytest.fixture
def images():
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def targets():
    return torch.arange(8) % 5


def term(method, **settings):
    return TermSettings(method=method, **settings)


def distiller(terms, student, teacher, **more):
    terms = [term(t) if isinstance(t, str) else t for t in terms]
    return Distiller(terms, student, teacher, SHAPE, num_classes=5, **more)


def hooks(*networks):
    modules = [module for network in networks for module in network.modules()]
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)


# Channel-wise distillation compares the logits of segmentation if no place is given.
# Scores of cells are of two classes, and these networks have five: `test_patch_losses` has them.
METHODS = [name for name in names() if not name.startswith("patch")]
END_TO_END = [
    term(name, student="stride=8") if name == "channel_wise" else term(name) for name in METHODS
]


@pytest.mark.parametrize("settings", END_TO_END, ids=METHODS)
def test_every_method_teaches_student_and_adapters_and_not_the_teacher(
    settings, student, teacher, images, targets
):
    model = distiller([settings], student, teacher)
    before = copy.deepcopy(teacher.state_dict())
    step = model.step(images, targets)
    step.total.backward()
    assert step.total.dtype == torch.float32
    assert step.total.item() == pytest.approx(step.losses[settings.method].item() * settings.factor)
    assert student.stage1[0].weight.grad.abs().max() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(tensor, before[key]) for key, tensor in teacher.state_dict().items())
    assert not any(module.training for module in teacher.modules())
    assert hooks(student, teacher) == 0


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        (
            "hint",
            {"terms.hint.comparisons.0.adapter.weight", "terms.hint.comparisons.0.adapter.bias"},
        ),
        ("soft_target", set()),
        ("attention", set()),
    ],
)
def test_the_state_holds_adapters_and_measured_weights(method, keys, student, teacher):
    model = distiller([method], student, teacher)
    measured = {"factors"} if model.balances else set()
    assert set(model.state_dict()) == keys | measured
    assert {name for name, _ in model.named_parameters()} == keys


def test_the_modes_of_the_networks_are_not_those_of_the_distiller(student, teacher):
    model = distiller(["hint"], student, teacher)
    model.eval()
    assert student.training
    model.train()
    assert not teacher.training


def test_adapters_learn_in_an_optimiser(student, teacher, images):
    model = distiller([term("hint", weight=1), term("mgd", weight=1)], student, teacher)
    before = copy.deepcopy(model.state_dict())
    optimiser = torch.optim.SGD([*student.parameters(), *model.parameters()], lr=0.1)
    model.step(images).total.backward()
    optimiser.step()
    changed = [not torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items()]
    # Regressor, adapter and two convolutions of the generator, each with its bias.
    assert len(changed) == 8
    assert all(changed)


def test_the_losses_are_those_of_the_tapped_outputs(student, teacher, images, targets):
    model = distiller(["soft_target", term("attention", student="stride=8")], student, teacher)
    student.eval()
    step = model.step(images, targets)
    with torch.no_grad():
        of_student, of_teacher = student(images), teacher(images)
        maps = [net.stage3(net.stage2(net.stage1(images))) for net in (student, teacher)]
    expected = create_loss("soft_target")(of_student, of_teacher)
    assert torch.equal(step.logits, of_student)
    assert torch.equal(step.teacher_logits, of_teacher)
    assert step.losses["soft_target"].item() == pytest.approx(expected.item())
    assert step.losses["attention"].item() == pytest.approx(create_loss("attention")(*maps).item())


def test_the_total_is_the_weighted_sum_and_keeps_every_gradient(student, teacher, images, targets):
    terms = [term("attention", weight=2), term("dkd", weight=0.5), term("attention", ratio=3)]
    model = distiller(terms, student, teacher)
    step = model.step(images, targets)
    assert list(step.losses) == ["attention", "dkd", "attention 2"]
    assert model.weights == {"attention": 2, "dkd": 0.5, "attention 2": 3}
    expected = sum(model.weights[name] * loss.item() for name, loss in step.losses.items())
    assert step.total.item() == pytest.approx(expected)
    assert all(loss.requires_grad for loss in step.losses.values())
    weight = student.stage1[0].weight
    parts = [
        torch.autograd.grad(loss, weight, retain_graph=True)[0] * model.weights[name]
        for name, loss in step.losses.items()
    ]
    total = torch.autograd.grad(step.total, weight)[0]
    assert torch.allclose(total, sum(parts), atol=1e-6)


def test_a_loss_on_features_has_its_published_weight_until_it_is_measured(student, teacher, images):
    model = distiller(["hint", "soft_target", term("attention", weight=3)], student, teacher)
    assert model.balances == {"hint": TermSettings(method="hint").info.balance}
    assert model.weights == {"hint": 100, "soft_target": pytest.approx(7 / 3), "attention": 3}
    model.measured({"hint": 0.5})
    step = model.step(images)
    expected = sum(model.weights[name] * loss.item() for name, loss in step.losses.items())
    assert model.weights["hint"] == 0.5
    assert step.total.item() == pytest.approx(expected)


def test_measured_weights_go_with_the_state(student, teacher):
    model = distiller(["hint", "attention"], student, teacher)
    model.measured({"hint": 0.5, "attention": 7})
    other = distiller(["hint", "attention"], student, teacher)
    other.load_state_dict(model.state_dict())
    assert other.weights == {"hint": 0.5, "attention": 7}


def test_a_state_of_before_weights_were_measured_keeps_the_published_ones(student, teacher):
    model = distiller(["attention"], student, teacher)
    state = model.state_dict()
    del state["factors"]
    model.load_state_dict(state)
    assert model.weights == {"attention": 1000}


def test_a_weight_follows_its_course(student, teacher, images):
    settings = term("attention", weight=4, warmup=0.5, decay_to=0.25)
    model = distiller([settings], student, teacher)
    student.eval()
    totals = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        model.advance(progress)
        step = model.step(images)
        totals.append(step.total.item() / step.losses["attention"].item())
    assert totals == pytest.approx([0.0, 4 * 0.8125 / 2, 4 * 0.625, 1.0])


def test_the_teacher_runs_in_evaluation_mode_without_a_graph(student, teacher, images):
    model = distiller(["soft_target"], student, teacher)
    teacher.train()
    seen = []
    handle = teacher.classifier.register_forward_hook(
        lambda module, inputs, output: seen.append((teacher.training, output.requires_grad))
    )
    step = model.step(images)
    handle.remove()
    assert seen == [(False, False)]
    assert not step.teacher_logits.requires_grad


def test_the_student_runs_in_the_mode_it_is_in(student, teacher, images):
    model = distiller(["soft_target"], student, teacher)
    first, second = model.step(images).logits, model.step(images).logits
    assert student.training
    assert not torch.equal(first, second)
    student.eval()
    assert torch.equal(model.step(images).logits, model.step(images).logits)


def test_a_step_does_not_keep_its_outputs(student, teacher, images):
    model = distiller(["hint"], student, teacher)
    first, second = model.step(images), model.step(images)
    (first.total + second.total).backward()
    assert student.stage1[0].weight.grad.isfinite().all()


def test_hooks_are_removed_when_the_student_fails(student, teacher, images):
    model = distiller(["hint"], student, teacher)
    with pytest.raises(RuntimeError):
        model.step(images, student_forward=lambda given: student(given[:, :2]))
    assert hooks(student, teacher) == 0


def test_bfloat16_autocast(student, teacher, images, targets):
    model = distiller(["dkd", "hint", "attention", "mgd", "rkd"], student, teacher)
    with torch.autocast("cpu", torch.bfloat16):
        step = model.step(images, targets)
    step.total.backward()
    assert step.logits.dtype == torch.bfloat16
    assert all(loss.dtype == torch.float32 for loss in step.losses.values())
    assert step.total.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in (*student.parameters(), *model.parameters()))


def test_until_trains_the_beginning_of_the_student(student, teacher, images):
    hint = term("hint", student="stage2", teacher="stage2")
    model = distiller([hint], student, teacher, until="stride=4")
    step = model.step(images)
    assert step.logits is None
    assert step.teacher_logits is None
    step.total.backward()
    assert student.stage2[0].weight.grad.abs().max() > 0
    assert student.stage3[0].weight.grad is None
    assert torch.equal(student.stage3[1].running_mean, torch.zeros(12))


@pytest.mark.parametrize(
    ("terms", "message"),
    [(["soft_target"], "compares logits"), (["hint"], "'stage3', which comes later")],
)
def test_until_is_refused_where_it_comes_too_early(terms, message, student, teacher):
    with pytest.raises(ValueError, match=f"cannot stop at 'stage2'.*{message}"):
        distiller(terms, student, teacher, until="stage2")


def test_the_teacher_runs_no_further_than_wanted(student, teacher, images):
    model = distiller([term("hint", student="stride=4")], student, teacher)
    teacher.stage3.register_forward_hook(lambda *_: pytest.fail("not wanted"))
    step = model.step(images)
    assert step.logits.shape == (8, 5)
    assert step.teacher_logits is None


def test_a_teacher_of_features_may_have_other_classes(student, images):
    assert distiller(["attention"], student, network(6, classes=9)).step(images).total > 0


@pytest.mark.parametrize("classes", [(5, 9), (9, 5), (9, 9)])
def test_other_classes_are_refused(classes):
    networks = [network(4, classes=count) for count in classes]
    with pytest.raises(ValueError, match="has 9 classes and the task 5"):
        distiller(["soft_target"], *networks)


def test_unequal_maps_are_refused_with_both_shapes(student, teacher):
    with pytest.raises(ValueError) as caught:
        distiller([term("hint", student="stage2", teacher="stage3")], student, teacher)
    assert "(1, 8, 4, 4)" in str(caught.value)
    assert "(1, 18, 2, 2)" in str(caught.value)


@pytest.mark.parametrize("method", ["attention", "nst", "similarity", "rkd"])
def test_unequal_maps_are_compared_where_the_method_says_how(method, student, teacher, images):
    model = distiller([term(method, student="stage2", teacher="stage3")], student, teacher)
    assert 0 < model.step(images).total.item() < float("inf")


def test_targets_that_are_ignored_teach_nothing(student, teacher, images):
    model = distiller([term("dkd", weight=1)], student, teacher)
    nothing = torch.full((8,), IGNORED_TARGET)
    assert model.step(images, nothing).total.item() == 0
    assert model.step(images, nothing.index_fill(0, torch.tensor([3]), 1)).total.item() > 0


def test_mixed_targets_are_refused_by_losses_on_the_true_class(student, teacher, images):
    shares = torch.full((8, 5), 0.2)
    with pytest.raises(ValueError, match=r"dkd needs the true class .* mixup and cutmix"):
        distiller(["soft_target", "dkd"], student, teacher).step(images, shares)
    assert distiller(["soft_target"], student, teacher).step(images, shares).total > 0


def test_missing_targets_are_refused(student, teacher, images):
    model = distiller(["dkd"], student, teacher)
    assert model.needs_targets
    with pytest.raises(ValueError, match="dkd needs the true classes"):
        model.step(images)


@pytest.mark.parametrize(
    ("bias", "message"), [(float("nan"), "not finite"), (2e4, r"reach 2e\+04"), (-2e4, "reach")]
)
def test_a_teacher_out_of_range_is_refused_in_the_first_step(
    bias, message, student, teacher, images
):
    model = distiller(["soft_target"], student, teacher)
    with torch.no_grad():
        teacher.classifier.bias[0] = bias
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            model.step(images)


def test_features_that_are_not_finite_are_refused(student, teacher, images):
    model = distiller(["hint"], student, teacher)
    with torch.no_grad():
        teacher.stage3[0].bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="output at 'stage3' is not finite"):
        model.step(images)


def test_logits_of_segmentation_are_brought_to_the_size_of_the_students(images):
    student, teacher = Segmenter(4, 2), Segmenter(6, 4)
    model = Distiller([term("logit_mse")], student, teacher, SHAPE, 3, kind="segmentation")
    step = model.step(images)
    resized = nn.functional.interpolate(teacher(images), size=(8, 8), mode="bilinear")
    expected = (student(images) - resized).square().mean().item()
    assert step.losses["logit_mse"].item() == pytest.approx(expected)
    assert step.teacher_logits.shape == (8, 3, 8, 8)


@pytest.mark.parametrize("method", ["mgd", "channel_wise"])
def test_logits_of_segmentation_serve_losses_on_maps(method, images):
    student, teacher = Segmenter(4, 2), Segmenter(6, 4)
    terms = [term(method, student="logits")]
    step = Distiller(terms, student, teacher, SHAPE, 3, kind="segmentation").step(images)
    step.total.backward()
    assert student.encoder.weight.grad.abs().max() > 0


def test_masks_are_brought_to_the_size_of_the_logits(images):
    student, teacher = Segmenter(4, 2), Segmenter(6, 2)
    model = Distiller([term("dkd")], student, teacher, SHAPE, 3, kind="segmentation")
    small = torch.arange(64).reshape(1, 8, 8).expand(8, 8, 8) % 3
    small = small.masked_fill(small == 2, IGNORED_TARGET)
    large = small.repeat_interleave(2, 1).repeat_interleave(2, 2)
    with torch.no_grad():
        assert model.step(images, large).total.item() == model.step(images, small).total.item()


def test_auxiliary_outputs_of_the_student_are_kept(images):
    student, teacher = Segmenter(4, 2), Segmenter(6, 2)
    terms = [term("logit_mse"), term("attention", student="encoder", teacher="encoder")]
    model = Distiller(terms, student, teacher, SHAPE, 3, kind="segmentation")
    step = model.step(images, student_forward=student.forward_with_auxiliary)
    assert torch.equal(step.auxiliary[0], student.forward_with_auxiliary(images)[1][0])
    assert torch.equal(step.logits, student(images))
    assert model.step(images).auxiliary is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terms": []}, "at least one term"),
        ({"kind": "detection"}, "kind must be"),
        ({"kind": "segmentation"}, "segmentation has logits of 4 dimensions"),
        ({"terms": [TermSettings(method="channel_wise")]}, "compares maps"),
    ],
)
def test_what_cannot_work_is_refused_at_once(change, message, student, teacher):
    arguments = {"terms": [TermSettings(method="hint")], "kind": "classification"} | change
    with pytest.raises(ValueError, match=message):
        Distiller(student=student, teacher=teacher, input_shape=SHAPE, num_classes=5, **arguments)


def test_a_student_cannot_teach_itself(student):
    with pytest.raises(ValueError, match="share modules"):
        distiller(["hint"], student, student)


def test_the_description_tells_terms_apart(student, teacher):
    descriptions = {
        repr(distiller([settings], student, teacher))
        for settings in (
            term("hint"),
            term("hint", weight=3),
            term("hint", student="stride=4"),
            term("hint", options={"scaling": "original"}),
        )
    }
    assert len(descriptions) == 4


def test_masked_generation_joins_networks_of_other_strides_on_small_images():
    student = timm.create_model("mobilenetv2_050", num_classes=5)
    teacher = timm.create_model("resnet18", num_classes=5)
    model = Distiller([term("mgd")], student, teacher, (1, 3, 64, 64), num_classes=5)
    loss = model.step(torch.rand(2, 3, 64, 64)).losses["mgd"]
    assert loss.requires_grad
    assert model.terms["mgd"].student_paths == ("bn2",)
    small = Distiller([term("mgd")], student, teacher, (1, 3, 32, 32), num_classes=5)
    assert small.terms["mgd"].student_paths == ("blocks.4",)


def test_a_student_stops_early_where_its_last_features_are_compared(student, teacher, images):
    model = distiller([term("hint", student="stage2", teacher="stage2")], student, teacher)
    model.stop_early()
    assert model.step(images).logits is None
    model = distiller(["soft_target"], student, teacher)
    model.stop_early()
    assert model.step(images).logits is not None
