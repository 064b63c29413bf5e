"""Maps that know their extent, so that a constant one can stay a single pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


class FeatureMap(NamedTuple):
    """A batch of maps.

    Attributes:
        values: N×C×H×W, or N×C×1×1 that stands for H×W equal pixels.
        size: The extent (H, W).
    """

    values: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, values: Tensor) -> FeatureMap:
        """Wraps a tensor N×C×H×W."""
        return cls(values, (values.shape[2], values.shape[3]))

    @property
    def is_constant(self) -> bool:
        """Whether one pixel stands for several."""
        return tuple(self.values.shape[2:]) != self.size

    @property
    def spread(self) -> Tensor:
        """The values as N×C×H×W."""
        if not self.is_constant:
            return self.values
        return self.values.expand(-1, -1, *self.size)

    def upsampled(self, size: tuple[int, int]) -> FeatureMap:
        """The map at another extent, bilinear, corners not aligned."""
        if size == self.size:
            return self
        if self.values.shape[2:] == (1, 1):
            return FeatureMap(self.values, size)
        return FeatureMap(
            F.interpolate(self.values, size=size, mode="bilinear", align_corners=False), size
        )


def weighted_sum(maps: Sequence[tuple[FeatureMap, int]]) -> FeatureMap:
    """Adds maps of one extent, each times its multiplicity."""
    # Maps come before constants, so that no sum of constants is spread twice.
    (first, multiplicity), *others = sorted(maps, key=lambda item: item[0].is_constant)
    total = first.values if multiplicity == 1 else first.values * multiplicity
    for other, factor in others:
        total = total.add(other.values, alpha=factor)
    return FeatureMap(total, first.size)
