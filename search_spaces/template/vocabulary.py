"""The operations and aggregations of a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Operation:
    """What an operation computes; the modules are in `operations.py`.

    Args:
        name: Name in decisions and drawings.
        kind: How it is built.
        kernel: Side of the square kernel, in taps.
        dilation: Distance of neighbouring taps, in pixels.
    """

    name: str
    kind: Literal["separable", "mean", "maximum", "skip"]
    kernel: int = 1
    dilation: int = 1


OPERATIONS: tuple[Operation, ...] = (
    Operation("sep_conv3x3", "separable", 3),
    Operation("sep_conv5x5", "separable", 5),
    Operation("global_average_pool", "mean"),
    Operation("max_pool3x3", "maximum", 3),
    Operation("sep_conv5x5_dilation6", "separable", 5, 6),
    Operation("skip", "skip"),
)
"""The operations, at the number that a genotype gives them."""

AGGREGATIONS = ("sum", "concatenation")
"""The aggregations, at the number that a genotype gives them."""
