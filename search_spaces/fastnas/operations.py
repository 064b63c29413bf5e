"""The operations of a cell as modules; each maps a `FeatureMap` to one of the same extent."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.fastnas.convolution import CroppedConv2d, normalise
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.fastnas.vocabulary import Operation


class Projection(nn.Module):
    """1×1 convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """A constant map stays a single pixel."""
        return normalise(self.norm, FeatureMap(self.conv(features.values), features.size))


class GlobalAveragePool(nn.Module):
    """Mean over the map, 1×1 convolution, batch norm, ReLU; the result is constant."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = Projection(channels, channels)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Pools to a single pixel that stands for the whole map."""
        values = features.values
        pooled = values if features.is_constant else values.mean((2, 3), keepdim=True)
        return FeatureMap(self.project(FeatureMap.of(pooled)).values, features.size)


class Convolution(nn.Module):
    """k×k convolution, batch norm, ReLU."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = CroppedConv2d(channels, channels, kernel, dilation)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Padding makes the border differ, so a constant map is spread first."""
        return normalise(self.norm, FeatureMap.of(self.conv(features.spread)))


class SeparableConvolution(nn.Module):
    """k×k depthwise convolution, 1×1 convolution, batch norm, ReLU."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.depthwise = CroppedConv2d(channels, channels, kernel, dilation, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Where only the centre tap acts, both convolutions are one of 1×1."""
        if self.depthwise.reach(features.size) == (0, 0):
            values = F.conv2d(features.values, self._merged_weight())
            return normalise(self.norm, FeatureMap(values, features.size))
        values = self.pointwise(self.depthwise(features.spread))
        return normalise(self.norm, FeatureMap.of(values))

    def _merged_weight(self) -> Tensor:
        return self.pointwise.weight * self.depthwise.centre().view(1, -1, 1, 1)


class Chain(nn.Sequential):
    """Modules one after another."""

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Applies them in order."""
        for module in self:
            features = module(features)
        return features


def create_operation(operation: Operation, width: int, repeats: int) -> nn.Module:
    """The module of an operation that has weights.

    Args:
        operation: Any but `skip` and `none`, which a plan resolves.
        width: Channels of input and output.
        repeats: How often a separable convolution is repeated.

    Raises:
        ValueError: For `skip` and `none`.
    """
    kernel, dilation = operation.kernel, operation.dilation
    if operation.kind == "pool":
        return GlobalAveragePool(width)
    if operation.kind == "separable":
        return Chain(*(SeparableConvolution(width, kernel, dilation) for _ in range(repeats)))
    if operation.kind == "convolution":
        return Projection(width, width) if kernel == 1 else Convolution(width, kernel, dilation)
    raise ValueError(f"operation {operation.name!r} has no module.")
