"""Images and masks as people see them."""

from __future__ import annotations

import colorsys

import numpy as np
from torch import Tensor

_OPACITY = 0.55
# Saturation and brightness.
_TONES = ((0.75, 1.0), (0.9, 0.7), (0.4, 1.0))


def class_colours(count: int) -> np.ndarray:
    """Colours that tell classes apart, count x 3 uint8; the first, the background, is black.

    Hues go round the circle by the golden ratio, so that neighbours differ. They come near each
    other again after 5, 8 and 13 steps, where their tones differ.
    """
    others = [
        colorsys.hsv_to_rgb((index * 0.618034) % 1, *_TONES[index % len(_TONES)])
        for index in range(count - 1)
    ]
    return (np.array([(0.0, 0.0, 0.0), *others]) * 255).round().astype(np.uint8)


def as_shown(image: Tensor) -> np.ndarray:
    """An image C x H x W as H x W x 3 uint8: its first three channels, or the first one as grey."""
    channels = image[:3] if len(image) >= 3 else image[:1].expand(3, -1, -1)
    return channels.permute(1, 2, 0).contiguous().numpy()


def overlay(image: np.ndarray, mask: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """An image, H x W x 3 uint8, tinted by the class of each pixel; others stay as they are."""
    inside = mask < len(colours)
    tint = colours[np.where(inside, mask, 0)]
    mixed = (1 - _OPACITY) * image + _OPACITY * tint
    return np.where(inside[..., None], mixed, image).round().astype(np.uint8)
