"""Images that lie together in one array."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nas.tasks.classification.source import ClassificationSource, ImageInspection

_CHUNK = 1024


class ArraySource(ClassificationSource):
    """Some images of an array of grey ones, with one class each.

    Args:
        load: Returns the array, M×H×W uint8.
        rows: Positions in it, N.
        names: Name of each of the N images.
        labels: Class of each of the N images, int64.
        size: Height and width in pixels that the images are resized to.
        channels: How many channels to copy each grey image into.
    """

    def __init__(
        self,
        load: Callable[[], np.ndarray],
        rows: np.ndarray,
        names: Sequence[str],
        labels: np.ndarray,
        size: tuple[int, int],
        channels: int = 3,
    ) -> None:
        self.names = tuple(names)
        self.labels = labels
        self._load = load
        self._rows = rows
        self._size = size
        self._channels = channels

    @property
    def digest(self) -> str:
        """Hash of the names, the labels and every pixel."""
        total = hashlib.blake2b(repr((self.names, self.labels.tolist())).encode(), digest_size=16)
        pixels = self._stored()
        total.update(repr(pixels.shape).encode())
        total.update(pixels.tobytes())
        return total.hexdigest()

    def select(self, rows: np.ndarray) -> ArraySource:
        return ArraySource(
            self._load,
            self._rows[rows],
            [self.names[row] for row in rows],
            self.labels[rows],
            self._size,
            self._channels,
        )

    def read(self) -> tuple[Tensor, Tensor]:
        grey = torch.from_numpy(self._stored())[:, None]
        images = torch.empty(len(grey), self._channels, *self._size, dtype=torch.uint8)
        for start in range(0, len(grey), _CHUNK):
            # One channel is copied into all.
            images[start : start + _CHUNK] = _resized(grey[start : start + _CHUNK], self._size)
        return images, torch.from_numpy(self.labels)

    def inspect(self) -> Iterator[ImageInspection]:
        height, width = self._stored().shape[1:]
        for _ in self.names:
            yield ImageInspection((height, width))

    def _stored(self) -> np.ndarray:
        return self._load()[self._rows]


def _resized(grey: Tensor, size: tuple[int, int]) -> Tensor:
    if grey.shape[-2:] == size:
        return grey
    resized = functional.interpolate(
        grey.float(), size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized.round_().clamp_(0, 255).to(torch.uint8)
