"""The aggregations of a template as modules; each maps two `FeatureMap`s to one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.fastnas.convolution import normalise
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.fastnas.operations import Projection

Pair = tuple[FeatureMap, FeatureMap]


class Adapter(nn.Module):
    """Brings two maps to the larger number of channels and to one extent.

    Args:
        channels: Channels of the two maps.
    """

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        width = max(channels)
        self.projections = nn.ModuleList(
            Projection(count, width) if count != width else nn.Identity() for count in channels
        )

    def forward(self, maps: Pair, size: tuple[int, int]) -> Pair:
        """Projects, then resizes."""
        left, right = (
            projection(features).upsampled(size)
            for projection, features in zip(self.projections, maps, strict=True)
        )
        return left, right


class WeightedSum(nn.Module):
    """The sum of both maps, each times a weight per channel that starts at 1.

    Args:
        channels: Channels of the two maps.
    """

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        self.adapter = Adapter(channels)
        self.weights = nn.ParameterList(torch.ones(max(channels)) for _ in range(2))

    def forward(self, maps: Pair, size: tuple[int, int]) -> FeatureMap:
        """The sum at the extent `size`, constant where both maps are."""
        left, right = self.adapter(maps, size)
        return FeatureMap(
            left.values * _per_channel(self.weights[0])
            + right.values * _per_channel(self.weights[1]),
            size,
        )


class Concatenation(nn.Module):
    """Both maps side by side, batch norm, ReLU, 1×1 convolution to the channels of one.

    Args:
        channels: Channels of the two maps.
    """

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        width = max(channels)
        self.adapter = Adapter(channels)
        self.norm = nn.BatchNorm2d(2 * width)
        self.conv = nn.Conv2d(2 * width, width, 1, bias=False)

    def forward(self, maps: Pair, size: tuple[int, int]) -> FeatureMap:
        """The reduced concatenation at the extent `size`, constant where both maps are."""
        features = normalise(self.norm, concatenate(self.adapter(maps, size)))
        return FeatureMap(self.conv(features.values), size)


def concatenate(maps: Sequence[FeatureMap]) -> FeatureMap:
    """Maps of one extent side by side; constant if all of them are."""
    constant = all(features.is_constant for features in maps)
    values = [features.values if constant else features.spread for features in maps]
    return FeatureMap(torch.cat(values, dim=1), maps[0].size)


def create_aggregation(aggregation: str, channels: tuple[int, int]) -> nn.Module:
    """The module of `sum` or `concatenation`."""
    return {"sum": WeightedSum, "concatenation": Concatenation}[aggregation](channels)


def _per_channel(weight: Tensor) -> Tensor:
    return weight.view(1, -1, 1, 1)
