"""Images of one class each, in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.tasks.classification.source import ClassificationSource
from nas.tasks.dataset import ImageDataset


class ClassificationDataset(ImageDataset):
    """Images with one class each.

    An item is a pair of the image, 3×H×W uint8, and its class, a single int64.

    Args:
        source: Where the images come from; they are read at first use.
    """

    def __init__(self, source: ClassificationSource) -> None:
        super().__init__(source)
        self.labels: Tensor = torch.from_numpy(source.labels)
        """Class of each image, N int64."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]
