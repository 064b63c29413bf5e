from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.distillation.distiller import Distiller
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.kinds.classification.checks import check
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.training.checkpoint import snapshot
from nas.training.teaching import Teaching


def settings(**values):
    return ClassifierFitSettings.model_validate(values)


def teaching(net, teacher, term, **options):
    distiller = Distiller([TermSettings(**term)], net, teacher, (1, 3, 12, 12), 3)
    return Teaching(distiller, **options)


@pytest.fixture
def net(make_net):
    return make_net(dropout=0.1)


@pytest.fixture
def refused(net, corners):
    def run(teaching, network=net, **values):
        with pytest.raises(UserError) as caught:
            check(network, corners, settings(**values), teaching)
        return str(caught.value)

    return run


def test_what_can_work_is_taken_and_leaves_the_networks_as_they_are(net, make_net, corners):
    teacher = make_net(seed=1)
    before, state = snapshot(net), torch.get_rng_state()
    plan = teaching(net, teacher, {"method": "mgd"}, frozen=(net.stem,), rates={net.body: 0.1})
    state = torch.get_rng_state()
    check(net, corners, settings(r_drop=1.0, freeze_batch_norm=True), plan)
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before.items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_nothing_to_learn_from():
    with pytest.raises(UserError) as caught:
        Teaching(task_weight=0.0)
    message = str(caught.value)
    assert message == "task_weight 0 without a distillation loss leaves nothing to learn."


@pytest.mark.parametrize(
    ("values", "default"),
    [({"label_smoothing": 0.1}, "0.0"), ({"class_weights": "balanced"}, "equal")],
)
def test_settings_of_a_cross_entropy_that_is_left_out(refused, net, make_net, values, default):
    plan = teaching(net, make_net(seed=1), {"method": "soft_target"}, task_weight=0.0)
    (key,) = values
    assert refused(plan, **values) == (
        f"{key} changes the cross-entropy, which task_weight 0 leaves out; set it to {default} "
        "here."
    )


def test_two_passes_need_dropout_that_is_not_frozen(refused, make_net, corners, net):
    for network, frozen in ((make_net(dropout=0.0), ()), (net, (net.drop,))):
        message = refused(Teaching(frozen=frozen), network, r_drop=1.0)
        assert "no part of this network that learns has any" in message
        assert "model.options.drop_rate=0.1" in message
    check(net, corners, settings(r_drop=1.0), Teaching())


def test_two_passes_need_predictions(refused, net, make_net, corners):
    plan = teaching(net, make_net(seed=1), {"method": "hint"}, task_weight=0.0)
    message = "r_drop compares predictions, and none are trained here; set it to null."
    assert refused(plan, r_drop=1.0) == message
    plan = teaching(net, make_net(seed=1), {"method": "soft_target"}, task_weight=0.0)
    check(net, corners, settings(r_drop=1.0), plan)


def test_statistics_that_are_not_there(refused):
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 3))
    message = refused(Teaching(), net, freeze_batch_norm=True)
    assert message == "freeze_batch_norm: the network has no batch norm; leave it out."


def test_mixed_images_and_a_loss_on_the_true_class(refused, net, make_net, corners):
    plan = teaching(net, make_net(seed=1), {"method": "dkd"})
    message = refused(plan, mixing="cutmix")
    assert message.startswith("mixing cutmix gives shares of the classes, and a loss here needs")
    check(net, corners, settings(), plan)


def test_a_network_that_is_frozen_altogether(refused, net):
    parts = (*net.children(), net.scale)
    message = "every part of the network is frozen, so nothing is left to learn."
    assert refused(Teaching(frozen=parts)) == message


@pytest.mark.parametrize("path", ["stem", "stem.0", "pool"])
def test_a_rate_for_what_does_not_learn(refused, net, path):
    plan = Teaching(frozen=(net.stem,), rates={net.get_submodule(path): 0.1})
    assert refused(plan) == f"rates: nothing in {path!r} learns; leave it out."


@pytest.mark.parametrize("task_weight", [0.0, 1.0])
@pytest.mark.parametrize("method", ["hint", "attention"])
def test_a_loss_that_reaches_nothing_that_learns(
    refused, net, make_net, corners, task_weight, method
):
    term = {"method": method, "student": "body.1", "teacher": "body.1"}
    options = {"task_weight": task_weight}
    plan = teaching(net, make_net(seed=1), term, frozen=(net.stem, net.body), **options)
    assert f"the loss {method!r} compares a place before everything that learns" in refused(plan)
    plan = teaching(net, make_net(seed=1), term, frozen=(net.stem, net.head), **options)
    check(net, corners, settings(), plan)


def test_a_teacher_that_gives_no_numbers(refused, net, make_net):
    teacher = make_net(seed=1)
    nn.init.constant_(teacher.head.weight, float("nan"))
    message = refused(teaching(net, teacher, {"method": "soft_target"}))
    assert message == "the teacher's logits are not finite; check its weights and images."
