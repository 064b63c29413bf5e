"""The operations of a template as modules; each maps a `FeatureMap` to a `FeatureMap`."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.fastnas.convolution import CroppedConv2d, normalise
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.fastnas.operations import Projection
from search_spaces.template.plan import OperationStep


class StridedConv2d(CroppedConv2d):
    """A depthwise k×k convolution of stride 2; the extent is halved, rounded up.

    Args:
        channels: Channels of input and output.
        kernel: Side of the kernel, odd.
        dilation: Distance of neighbouring taps, in pixels.
    """

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__(channels, channels, kernel, dilation, groups=channels)
        self.stride = (2, 2)

    def forward(self, values: Tensor) -> Tensor:
        """Maps N×C×H×W to N×C×⌈H/2⌉×⌈W/2⌉, without taps that read padding alone."""
        reach = self.reach((values.shape[2], values.shape[3]))
        dilation = self.dilation[0]
        padding = (reach[0] * dilation, reach[1] * dilation)
        spread = (dilation if reach[0] else 1, dilation if reach[1] else 1)
        weight = self._cropped(reach)
        return F.conv2d(values, weight, None, self.stride, padding, spread, self.groups)


class SeparableConvolution(nn.Module):
    """k×k depthwise convolution, 1×1 convolution, batch norm, ReLU.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        step: Kernel, dilation and stride.
    """

    def __init__(self, inputs: int, outputs: int, step: OperationStep) -> None:
        super().__init__()
        kernel, dilation = step.operation.kernel, step.operation.dilation
        self.depthwise = (
            StridedConv2d(inputs, kernel, dilation)
            if step.strided
            else CroppedConv2d(inputs, inputs, kernel, dilation, groups=inputs)
        )
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Padding makes the border differ, so a constant map is spread first."""
        values = self.pointwise(self.depthwise(features.spread))
        return normalise(self.norm, FeatureMap.of(values))


class SeparableChain(nn.Sequential):
    """Separable convolutions one after another, the first from inputs to outputs."""

    def __init__(self, inputs: int, outputs: int, step: OperationStep, repeats: int) -> None:
        channels = (inputs, *[outputs] * repeats)
        super().__init__(*(SeparableConvolution(i, o, step) for i, o in pairwise(channels)))

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Applies them in order."""
        for module in self:
            features = module(features)
        return features


class GlobalAveragePool(nn.Module):
    """Mean over the map, 1×1 convolution, batch norm, ReLU; the result is constant."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.project = Projection(inputs, outputs)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Pools to a single pixel that stands for the whole map."""
        values = features.values
        pooled = values if features.is_constant else values.mean((2, 3), keepdim=True)
        return FeatureMap(self.project(FeatureMap.of(pooled)).values, features.size)


class MaxPool(nn.Module):
    """1×1 convolution, batch norm, maximum over 3×3 pixels."""

    def __init__(self, inputs: int, outputs: int, step: OperationStep) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        kernel = step.operation.kernel
        self.pool = nn.MaxPool2d(kernel, 2 if step.strided else 1, padding=kernel // 2)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """A constant map is spread, so that its batch norm sees all pixels."""
        return FeatureMap.of(self.pool(self.norm(self.conv(features.spread))))


class Tile(nn.Module):
    """A skip to twice the channels: the map twice, side by side."""

    def forward(self, features: FeatureMap) -> FeatureMap:
        """A constant map stays a single pixel."""
        return FeatureMap(torch.cat([features.values, features.values], dim=1), features.size)


def create_operation(
    step: OperationStep, inputs: int, outputs: int, separable_repeats: int
) -> nn.Module:
    """The module of an operation.

    Args:
        step: The operation and its stride.
        inputs: Channels of the input.
        outputs: Channels of the output.
        separable_repeats: How often a separable convolution is repeated.
    """
    kind = step.operation.kind
    if kind == "separable":
        return SeparableChain(inputs, outputs, step, separable_repeats)
    if kind == "mean":
        return GlobalAveragePool(inputs, outputs)
    if kind == "maximum":
        return MaxPool(inputs, outputs, step)
    return Tile()
