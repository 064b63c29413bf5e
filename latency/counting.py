"""Parameters and multiply-accumulates, counted without running the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from latency.network import check_input_shape, deployed_copy
from latency.shapes_only import ShapesOnly


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
    parameters = sum(parameter.numel() for parameter in model.parameters())
    network = deployed_copy(model, "meta")
    counter = FlopCounterMode(display=False)
    # The device context covers tensors that a forward pass makes without naming a device.
    with torch.no_grad(), torch.device("meta"), counter, ShapesOnly():
        network(torch.empty(shape))
    flops = counter.get_total_flops()
    return Counts(parameters=parameters, macs=flops // 2, flops=flops)
