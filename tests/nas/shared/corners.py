"""Three classes of bright corners, and a network that learns them in a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas.tasks import ClassificationTask
from nas.tasks.classification.array_source import ArraySource
from nas.training.seeding import seeded

SIZE = 12
CORNERS = (np.s_[:6, :6], np.s_[6:, :6], np.s_[6:, 6:])


class CornerNet(nn.Module):
    """Convolutions with batch norm, a parameter of its own, dropout and a linear classifier."""

    def __init__(self, width: int = 6, dropout: float = 0.0):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width))
        self.body = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(32, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.pool(self.body(self.stem(images)) * self.scale)
        return self.head(self.drop(maps.flatten(1)))


class Unread(ArraySource):
    """A split whose images must not be read."""

    def read(self) -> torch.Tensor:
        raise AssertionError("this split must not be read")


def _source(labels: list[int], seed: int, kind: type[ArraySource] = ArraySource) -> ArraySource:
    random = np.random.default_rng(seed)
    images = random.integers(0, 120, (len(labels), SIZE, SIZE)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[CORNERS[label]] += 60
    names = [f"{seed}-{row}" for row in range(len(labels))]
    rows = np.arange(len(labels))
    return kind(lambda: images, rows, names, np.array(labels), (SIZE, SIZE))


@pytest.fixture(scope="session")
def corners() -> ClassificationTask:
    """12 images of class 0, 8 and 4 of the others, and 12 for validation."""
    return ClassificationTask(
        name="corners",
        classes=("top", "left", "low"),
        input_size=(SIZE, SIZE),
        sources={
            "train": _source([0] * 12 + [1] * 8 + [2] * 4, 0),
            "validation": _source([0, 1, 2] * 4, 1),
            "test": _source([0, 1, 2], 2, Unread),
        },
        normalisation=((0.3, 0.3, 0.3), (0.2, 0.2, 0.2)),
    )


@pytest.fixture(scope="session")
def make_net() -> Callable[..., CornerNet]:
    """Makes networks; the seed decides their weights."""

    def make(seed: int = 0, **options: Any) -> CornerNet:
        with seeded(seed, "corner net"):
            return CornerNet(**options)

    return make
