"""What a genotype builds: the levels of a pyramid, and what is done on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NONE = "none"
CONVOLUTIONS = ("sep_conv3x3", "sep_conv5x5", "conv3x3")
POOL = "global_average_pool"
OPERATIONS = (NONE, *CONVOLUTIONS, POOL)
"""What can be added to the map of a level."""
HEADS = (NONE, *CONVOLUTIONS)
"""What can stand before the classifier."""

FURTHER, FINEST, HEAD = "further", "finest", "head"
FINEST_STRIDES = (4, 8)
_FIRST = 4


@dataclass(frozen=True)
class Level:
    """One resolution of the pyramid.

    Attributes:
        stride: Of its map, in pixels of the image.
        operation: One of `OPERATIONS`.
        source: The encoder output that it starts from; None if it comes from the level before.
    """

    stride: int
    operation: str
    source: int | None


@dataclass(frozen=True)
class Plan:
    """A decoder.

    Attributes:
        levels: The finest first.
        head: One of `HEADS`.
    """

    levels: tuple[Level, ...]
    head: str


def strides(levels: int) -> tuple[int, ...]:
    """The strides of so many levels: 4, 8, 16 and so on."""
    return tuple(_FIRST << level for level in range(levels))


def operation_on(stride: int) -> str:
    """The name of the decision about the level of a stride."""
    return f"stride{stride}"


def make_plan(choices: Mapping[str, int | str], encoder_outputs: int) -> Plan:
    """Plans the decoder of a complete set of choices."""
    # The last encoder output is always read, as further levels come from it.
    finest = min(int(choices[FINEST]), strides(encoder_outputs)[-1])
    levels = (
        Level(
            stride,
            str(choices[operation_on(stride)]),
            index if index < encoder_outputs else None,
        )
        for index, stride in enumerate(strides(encoder_outputs + int(choices[FURTHER])))
    )
    return Plan(tuple(level for level in levels if level.stride >= finest), str(choices[HEAD]))
