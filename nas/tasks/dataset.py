"""Labelled images in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

Transform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Inspection:
    """What `nas task check` learns from one labelled image.

    Attributes:
        size: Height and width in pixels, or None if unreadable.
        counts: Pixels of each class, and last of those that are ignored.
        problems: A sentence for everything that is wrong with it.
    """

    size: tuple[int, int] | None
    counts: np.ndarray
    problems: tuple[str, ...] = ()


class ImageSource(ABC):
    """Where the images of one split, and what is to be learned from them, come from.

    Attributes:
        names: Name of each image, in order.
    """

    names: tuple[str, ...]

    @cached_property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """What `read` returns, read at first use and kept."""
        return self.read()

    @property
    @abstractmethod
    def digest(self) -> str:
        """A text that changes with the content."""

    @abstractmethod
    def read(self) -> tuple[Tensor, Tensor]:
        """Reads the images at the task's input size, N×3×H×W uint8, and their labels.

        Raises:
            UserError: If one cannot be read; the message names the file.
        """


class Source(ImageSource):
    """An image source whose labels are masks, N×H×W uint8."""

    @abstractmethod
    def inspect(self) -> Iterator[Inspection]:
        """Looks at each image and mask as they are stored."""


class ImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Labelled images in memory. Data sets of the same source share it.

    Args:
        source: Where the images come from; they are read at first use.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source = source

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image."""
        return self._source.names

    @property
    def images(self) -> Tensor:
        """All images without augmentation, N×3×H×W uint8."""
        return self._source.tensors[0]

    def __len__(self) -> int:
        return len(self._source.names)


class SegmentationDataset(ImageDataset):
    """Images with a class for every pixel.

    An item is a pair of the image, 3×H×W uint8, and its mask, H×W uint8.

    Args:
        source: Where the images come from; they are read at first use.
        transform: Applied to each item, for example an `Augmentation`.
    """

    def __init__(self, source: Source, transform: Transform | None = None) -> None:
        super().__init__(source)
        self._transform = transform

    @property
    def masks(self) -> Tensor:
        """All masks without transform, N×H×W uint8."""
        return self._source.tensors[1]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = self.images[index], self.masks[index]
        return self._transform(image, mask) if self._transform else (image, mask)
