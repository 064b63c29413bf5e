"""Where images of one class each come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from nas.tasks.classification.photos import Photos
from nas.tasks.dataset import ImageSource


@dataclass(frozen=True)
class ImageInspection:
    """What `nas task check` learns from one image.

    Attributes:
        size: Height and width in pixels as stored, or None if unreadable.
        content: Hash of the pixels, to find the image under another name; None if it is no file
            of its own.
        treatment: What is done with the file besides decoding it, as clauses.
        problems: A sentence for everything that is wrong with it.
    """

    size: tuple[int, int] | None
    content: str | None = None
    problems: tuple[str, ...] = ()
    treatment: tuple[str, ...] = ()


class ClassificationSource(ImageSource):
    """An image source whose targets are the classes of whole images.

    Attributes:
        labels: Class of each image, N int64; known before any image is read.
        has_photos: Whether the images are also kept whole and larger than the input size.
    """

    labels: np.ndarray
    has_photos: bool = False

    @property
    def photos(self) -> Photos | None:
        """The images whole and larger than the input size; None where they are not kept so."""
        return None

    @abstractmethod
    def select(self, rows: np.ndarray) -> Self:
        """The source of some of the images.

        Args:
            rows: Their positions, in the order wanted.
        """

    def strata(self) -> np.ndarray:
        return self.labels

    @abstractmethod
    def inspect(self) -> Iterator[ImageInspection]:
        """Looks at each image as it is stored."""
