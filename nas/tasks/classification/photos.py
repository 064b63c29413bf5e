"""Photos that are kept whole, and larger than networks see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nas.tasks.reading import resize

MEAN_AREA = 1.5
"""Area of a usual photo, in squares of its short side."""


class Photos:
    """Images of one short side; the long side of each is its own.

    Args:
        images: Each C×h×w uint8.
    """

    def __init__(self, images: Sequence[Tensor]) -> None:
        self._images = list(images)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Tensor) -> list[Tensor]:
        """The images at some positions."""
        return [self._images[row] for row in rows.tolist()]


def to_short_side(pixels: np.ndarray, side: int) -> np.ndarray:
    """Resizes an image H×W×C uint8 so that its short side has a length in pixels."""
    height, width = pixels.shape[:2]
    scale = side / min(height, width)
    return resize(pixels, (max(round(height * scale), side), max(round(width * scale), side)))


def random_crops(photos: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Cuts a size out of each photo at a random position, drawn from torch's global generator.

    Args:
        photos: Each C×h×w, at least as large as the size.
        size: Height and width in pixels.

    Returns:
        N×C×H×W.
    """
    height, width = size
    shares = torch.rand(len(photos), 2).tolist()
    cuts = []
    for photo, (down, across) in zip(photos, shares, strict=True):
        top = int(down * (photo.shape[1] - height + 1))
        left = int(across * (photo.shape[2] - width + 1))
        cuts.append(_cut(photo, top, left, size))
    return torch.stack(cuts)


def five_crops(photos: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
    """The corners and the middle of photos, each as N×C×H×W; the arguments are as above."""
    height, width = size
    places = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5)]
    return [
        torch.stack(
            [
                _cut(
                    photo,
                    round(down * (photo.shape[1] - height)),
                    round(across * (photo.shape[2] - width)),
                    size,
                )
                for photo in photos
            ]
        )
        for down, across in places
    ]


def _cut(photo: Tensor, top: int, left: int, size: tuple[int, int]) -> Tensor:
    return photo[:, top : top + size[0], left : left + size[1]]
