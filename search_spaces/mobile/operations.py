"""The modules of a mobile network."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from search_spaces.fastnas.convolution import CroppedConv2d
from search_spaces.mobile.plan import Block

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard_swish": nn.Hardswish,
    "silu": nn.SiLU,
}


def convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: str | None = None,
) -> nn.Sequential:
    """Convolution without bias, batch norm, and an activation unless it is None.

    The padding keeps the extent at stride 1 and halves it, rounded up, at stride 2. No activation
    works in place, so that a tap may hold any output.
    """
    conv = (
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        if groups == 1 or stride != 1
        # The same result, but faster on a CPU.
        else CroppedConv2d(inputs, outputs, kernel, groups=groups)
    )
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs))
    if activation is not None:
        parts["activation"] = _ACTIVATIONS[activation]()
    return nn.Sequential(parts)


class SqueezeExcitation(nn.Module):
    """Scales channels by what their means say.

    Hu et al., Squeeze-and-Excitation Networks, 2018, https://arxiv.org/abs/1709.01507.

    Args:
        channels: Channels of the map.
        squeezed: Channels of the bottleneck.
        activation: Activation in the bottleneck.
    """

    def __init__(self, channels: int, squeezed: int, activation: str) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.activation = _ACTIVATIONS[activation]()
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to maps of the same shape."""
        means = maps.mean((2, 3), keepdim=True)
        scales = torch.sigmoid(self.excite(self.activation(self.squeeze(means))))
        return maps * scales


class InvertedResidual(nn.Module):
    """1×1 expansion, depthwise convolution, squeeze-and-excitation, linear 1×1 projection.

    Sandler et al., MobileNetV2, 2018, https://arxiv.org/abs/1801.04381. What the block does not
    have is not built: no expansion by 1, no squeeze-and-excitation of 0 channels.

    Args:
        block: Its shape.
        activation: Activation after the expansion and the depthwise convolution.
    """

    def __init__(self, block: Block, activation: str) -> None:
        super().__init__()
        self.is_residual = block.is_residual
        expanded = block.expanded
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if expanded != block.inputs:
            parts["expand"] = convolution(block.inputs, expanded, 1, activation=activation)
        parts["depthwise"] = convolution(
            expanded,
            expanded,
            block.kernel,
            stride=block.stride,
            groups=expanded,
            activation=activation,
        )
        if block.squeezed:
            parts["squeeze_excitation"] = SqueezeExcitation(expanded, block.squeezed, activation)
        parts["project"] = convolution(expanded, block.outputs, 1)
        self.branch = nn.Sequential(parts)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to N×C'×H'×W'."""
        changed: Tensor = self.branch(maps)
        return maps + changed if self.is_residual else changed
