from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import LatencyError
from latency.devices.device import Placement, parse_device
from latency.predicting.operator_network import OperatorNetwork, Replay
from latency.predicting.operator_times import time_operators
from latency.tracing.forward_pass import trace
from latency.tracing.operators import Operator, operators_of

CPU = Placement(parse_device("cpu"))
SHAPE = (1, 16, 8, 8)


class Steps(nn.Module):
    """Any function as a network."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, values):
        return self.function(values)


def operator(function, shape=SHAPE) -> Operator:
    return operators_of(trace(Steps(function), shape))[-1]


def residual(image):
    features = F.conv2d(image, torch.zeros(16, 16, 3, 3), padding=1)
    return F.relu(F.batch_norm(features, torch.zeros(16), torch.ones(16)) + image)


def test_a_replay_calls_the_same_functions_on_other_weights():
    image = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    (pooled,) = Replay(operator(lambda x: F.max_pool2d(x * 2, 3)))(image)
    assert torch.equal(pooled, F.max_pool2d(image, 3))
    (added,) = Replay(operator(lambda x: x.add(x * 0, alpha=3)))(image, image)
    assert torch.allclose(added, 4 * image)


def test_the_weights_of_a_replay_are_real_and_positive():
    replay = Replay(operator(residual))
    shapes = sorted(tuple(buffer.shape) for buffer in replay.buffers())
    assert shapes == [(16,), (16,), (16, 16, 3, 3)]
    assert all(buffer.device.type == "cpu" and buffer.min() > 0 for buffer in replay.buffers())


def test_maps_come_from_convolutions_and_go_to_them():
    network = OperatorNetwork([operator(residual), operator(lambda x: x.mean((2, 3)) + 1)])
    assert network.input_shapes == [(1, 8, 8, 8), (1, 16)]
    outputs = network(*(torch.zeros(shape) for shape in network.input_shapes))
    assert [tuple(output.shape) for output in outputs] == [(1, 8, 8, 8), (1, 16)]


def test_onnxruntime_fuses_what_it_would_fuse_in_a_network():
    found = time_operators(
        [
            operator(residual),
            operator(lambda x: x + F.relu(x)),
            operator(lambda x: x * 2),
            operator(lambda x: F.dropout(x, training=False)),
        ],
        CPU,
    )
    # The residual block is a single node, the sum is not fused into a neighbour, what is not in a
    # blocked layout changes it twice, and dropout is gone.
    assert [one.nodes for one in found] == [1, 1, 3, 0]
    assert all(one.microseconds > 0 for one in found[:3])
    assert found[3].microseconds == 0


def test_more_work_takes_longer():
    small, large = time_operators(
        [
            operator(
                lambda x, c=c: F.conv2d(x, torch.zeros(c, 16, 3, 3), padding=1), (1, 16, 32, 32)
            )
            for c in (8, 256)
        ],
        CPU,
    )
    assert large.microseconds > 4 * small.microseconds


def test_torch_counts_calls_as_nodes():
    (found,) = time_operators([operator(residual)], CPU, "torch")
    assert found.nodes == 4
    assert found.microseconds > 0


def test_an_engine_that_makes_a_network_of_its_own_is_refused():
    with pytest.raises(LatencyError, match=r"engine torch\.compile cannot be predicted"):
        time_operators([operator(residual)], CPU, "torch.compile")


def test_nothing_is_timed_in_no_time():
    assert time_operators([], CPU) == []
