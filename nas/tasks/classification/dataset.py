"""Images of one class each, in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.tasks.classification.photos import Photos
from nas.tasks.classification.source import ClassificationSource
from nas.tasks.dataset import ImageDataset


class ClassificationDataset(ImageDataset):
    """Images with one class each: `targets` are the classes, N int64.

    Args:
        source: Where the images come from; they are read at first use.
    """

    def __init__(self, source: ClassificationSource) -> None:
        super().__init__(source)
        self._labelled = source
        self._classes = torch.from_numpy(source.labels)

    @property
    def targets(self) -> Tensor:
        """Class of each image; known before any image is read."""
        return self._classes

    @property
    def has_photos(self) -> bool:
        """Whether there are photos; none is read to tell."""
        return self._labelled.has_photos

    @property
    def photos(self) -> Photos | None:
        """The images whole and larger, where the task keeps them so; read at first use."""
        return self._labelled.photos
