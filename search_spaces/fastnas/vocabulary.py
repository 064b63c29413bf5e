"""The eleven operations of a contextual cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Operation:
    """What an operation computes; the modules are in `operations.py`.

    Args:
        name: Name in decisions and drawings.
        kind: How it is built; `skip` and `none` build nothing.
        kernel: Side of the square kernel, in taps.
        dilation: Distance of neighbouring taps, in pixels.
    """

    name: str
    kind: Literal["convolution", "separable", "pool", "skip", "none"]
    kernel: int = 1
    dilation: int = 1


OPERATIONS: tuple[Operation, ...] = (
    Operation("conv1x1", "convolution"),
    Operation("conv3x3", "convolution", 3),
    Operation("sep_conv3x3", "separable", 3),
    Operation("sep_conv5x5", "separable", 5),
    Operation("global_average_pool", "pool"),
    Operation("conv3x3_dilation3", "convolution", 3, 3),
    Operation("conv3x3_dilation12", "convolution", 3, 12),
    Operation("sep_conv3x3_dilation3", "separable", 3, 3),
    Operation("sep_conv5x5_dilation6", "separable", 5, 6),
    Operation("skip", "skip"),
    Operation("none", "none"),
)
"""The operations, at the number that a genotype gives them."""
