"""Parameters and multiply-accumulates, counted without running the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from latency.network import check_input_shape, deployed_copy
from latency.tracing.flops import Flops, ShapesOnly


@dataclass(frozen=True)
class Counts:
    """What one forward pass costs.

    Attributes:
        parameters: Elements of all parameters; shared ones count once.
        macs: Multiply-accumulates, half of the FLOPs.
        flops: Floating-point operations of convolutions, matrix products and attention.
            Normalisation, activations, pooling and resizing are not counted, as is usual.
    """

    parameters: int
    macs: int
    flops: int


def count(model: nn.Module, input_shape: Sequence[int]) -> Counts:
    """Counts the forward pass in evaluation mode, functional calls included.

    A copy runs on the meta device, so nothing is computed and the model stays as it is. The
    counter overcounts the backward pass of depthwise convolutions, hence the forward pass only.

    Args:
        model: The whole deployed network.
        input_shape: Shape N, C, H, W of the input; counts of one image have N = 1.

    Raises:
        LatencyError: If the shape is not four positive integers.
    """
    shape = check_input_shape(input_shape)
    network = deployed_copy(model, "meta")
    return _count(network, lambda: network(torch.empty(shape)))


def count_of_maps(model: nn.Module, input_shapes: Sequence[Sequence[int]]) -> Counts:
    """Counts a part of a network that takes a list of maps, for example a decoder.

    Args:
        model: Called with one list of tensors. On the meta device it is counted as it is, which
            spares the copy.
        input_shapes: Shape N, C, H, W of each map.

    Raises:
        LatencyError: If a shape is not four positive integers.
    """
    shapes = [check_input_shape(shape) for shape in input_shapes]
    on_meta = all(parameter.is_meta for parameter in model.parameters()) and not model.training
    network = model if on_meta else deployed_copy(model, "meta")
    return _count(network, lambda: network([torch.empty(shape) for shape in shapes]))


def _count(network: nn.Module, forward: Callable[[], object]) -> Counts:
    # The device context covers tensors that a forward pass makes without naming a device.
    with torch.no_grad(), torch.device("meta"), Flops() as dispatched, ShapesOnly() as skipped:
        forward()
    flops = dispatched.total + skipped.flops
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Counts(parameters=parameters, macs=flops // 2, flops=flops)
