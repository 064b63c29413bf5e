"""Where images with a class for every pixel come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nas.tasks.dataset import ImageSource


@dataclass(frozen=True)
class MaskInspection:
    """What `nas task check` learns from one image and its mask.

    Attributes:
        size: Height and width in pixels as stored, or None if unreadable.
        counts: Pixels of each class, and last of those that are ignored.
        problems: A sentence for everything that is wrong with them.
    """

    size: tuple[int, int] | None
    counts: np.ndarray
    problems: tuple[str, ...] = ()


class SegmentationSource(ImageSource):
    """An image source whose targets are masks, N×H×W uint8."""

    @abstractmethod
    def inspect(self) -> Iterator[MaskInspection]:
        """Looks at each image and mask as they are stored."""
