"""The two stems of a classifier: what is known of them without torch."""

from __future__ import annotations

STEMS = ("cifar", "imagenet")
"""`cifar` keeps the size of the image; `imagenet` divides it by 4 at first."""


def half(channels: int) -> int:
    """Channels between the two convolutions of the strided stem: half of its output's, up."""
    return -(-channels // 2)
