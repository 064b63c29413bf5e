"""Positions of the maps that the parts of a decoder read: encoder outputs first, then the parts."""

from __future__ import annotations


def renumbered(position: int, outputs: int, fewer: int) -> int:
    """The position of the same map behind fewer encoder outputs.

    Args:
        position: Of a map, counted from 0.
        outputs: Number of encoder outputs now.
        fewer: Number of those that stay, the finest; the last of them stands for those that go.
    """
    return min(position, fewer - 1) if position < outputs else position - outputs + fewer
