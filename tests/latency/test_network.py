from __future__ import annotations

import pytest
import torch
from torch import nn

from latency.network import on_cpu


def _ready() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()


def test_a_network_that_is_ready_is_taken_as_it_is():
    network = _ready()
    assert on_cpu(network) is network


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.train(),
        lambda network: network[1].train(),
        lambda network: network.double(),
        lambda network: network[1].half(),
        lambda network: network[0].register_forward_hook(lambda *_: None),
        lambda network: network[0].register_forward_pre_hook(lambda *_: None),
    ],
)
def test_any_other_is_copied(change):
    network = _ready()
    change(network)
    copied = on_cpu(network)
    assert copied is not network
    assert not any(module.training for module in copied.modules())
    assert {tensor.dtype for tensor in copied.parameters()} == {torch.float32}
