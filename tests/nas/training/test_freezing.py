from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.training.freezing import all_but, frozen, groups, modules_at
from nas.training.update import Group, Update


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(2, 3)
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
        self.head = nn.Linear(5, 2)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def test_modules_are_found_by_path(net):
    assert modules_at(net, ("stem", "body.1"), "freeze") == {
        "stem": net.stem,
        "body.1": net.body[1],
    }


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("sten",), "freeze: the network has no module 'sten'; did you mean 'stem'?"),
        (("zzz",), "freeze: the network has no module 'zzz'; its parts are stem, body, head."),
        (("body", "body.1"), "freeze: 'body.1' lies inside 'body'; name one of them."),
    ],
)
def test_a_wrong_path_is_refused(net, paths, message):
    with pytest.raises(UserError) as caught:
        modules_at(net, paths, "freeze")
    assert str(caught.value) == message


def test_all_but_some_modules_are_the_largest_ones_beside_them(net):
    assert all_but(net, {net.body[1]}) == (net.stem, net.body[0], net.head)
    assert all_but(net, {net.body}) == (net.stem, net.head)


def test_frozen_parameters_ask_for_no_gradient_within_the_block(net):
    net.head.bias.requires_grad_(False)
    with frozen([net.stem, net.head]):
        assert [name for name, p in net.named_parameters() if p.requires_grad] == [
            "body.0.weight",
            "body.0.bias",
            "body.1.weight",
            "body.1.bias",
        ]
    # What was frozen before stays so.
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == ["head.bias"]


def test_frozen_parameters_learn_again_after_an_error(net):
    with pytest.raises(RuntimeError), frozen([net.stem]):
        raise RuntimeError
    assert all(p.requires_grad for p in net.parameters())


def test_every_parameter_is_in_one_group_with_its_rate(net):
    base = Group(net, "sgd", 0.5, weight_decay=0.0, momentum=0.0)
    with frozen([net.stem]):
        parts = groups(net, [net.stem], {net.body[0]: 0.1}, base)
        assert [(group.module, group.learning_rate) for group in parts] == [
            (net.body[0], 0.05),
            (net, 0.5),
        ]
        before = {name: p.detach().clone() for name, p in net.named_parameters()}
        update = Update(parts)
        update.zero_gradients()
        sum(p.sum() for p in net.parameters() if p.requires_grad).backward()
        update.step()
    moved = {name: (before[name] - p).abs().max().item() for name, p in net.named_parameters()}
    assert moved["stem.weight"] == moved["stem.bias"] == 0
    assert moved["body.0.weight"] == pytest.approx(0.05)
    assert moved["body.1.weight"] == moved["head.weight"] == pytest.approx(0.5)


def test_a_network_that_is_all_frozen_has_no_group(net):
    parts = [net.stem, net.body, net.head]
    with frozen(parts):
        assert groups(net, parts, {}, Group(net, "sgd", 0.5)) == []
