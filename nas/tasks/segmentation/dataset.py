"""Images with a class for every pixel, in memory."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nas.tasks.dataset import ImageDataset
from nas.tasks.segmentation.source import SegmentationSource

Transform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class SegmentationDataset(ImageDataset):
    """Images with a class for every pixel: `targets` are masks, N×H×W uint8.

    Args:
        source: Where the images come from; they are read at first use.
        transform: Applied to each item, for example an `Augmentation`.
    """

    def __init__(self, source: SegmentationSource, transform: Transform | None = None) -> None:
        super().__init__(source)
        self._transform = transform

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = super().__getitem__(index)
        return self._transform(image, mask) if self._transform else (image, mask)
