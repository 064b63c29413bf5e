"""Images of one class each that lie in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nas.settings import validate
from nas.tasks.classification.classes import check_classes
from nas.tasks.classification.settings import ClassSettings
from nas.tasks.classification.source import ClassificationSource, ImageInspection
from nas.tasks.classification.splits import deal
from nas.tasks.classification.task import ClassificationTask


class TensorSource(ClassificationSource):
    """Images in memory with one class each.

    Args:
        names: Name of each image.
        images: N×C×H×W uint8.
        labels: Class of each, N int64.
    """

    def __init__(self, names: Sequence[str], images: Tensor, labels: np.ndarray) -> None:
        self.names = tuple(names)
        self.labels = labels
        self._images = images

    @property
    def digest(self) -> str:
        """Hash of the names, the labels and every pixel."""
        start = repr((self.names, self.labels.tolist(), tuple(self._images.shape)))
        total = hashlib.blake2b(start.encode(), digest_size=16)
        total.update(self._images.numpy().tobytes())
        return total.hexdigest()

    def select(self, rows: np.ndarray) -> TensorSource:
        names = [self.names[row] for row in rows]
        return TensorSource(names, self._images[torch.from_numpy(rows)], self.labels[rows])

    def read(self) -> tuple[Tensor, Tensor]:
        return self._images, torch.from_numpy(self.labels)

    def inspect(self) -> Iterator[ImageInspection]:
        height, width = self._images.shape[-2:]
        for _ in self.names:
            yield ImageInspection((height, width))


class ClassesInMemory:
    """Makes a classification task of images and targets.

    Args:
        values: Fields of `ClassSettings`.
        where: What they are for, for messages.

    Raises:
        UserError: If a value is wrong.
    """

    dimensions: ClassVar[int] = 0
    """Of a target."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._settings = validate(ClassSettings, dict(values), where)
        self._where = where
        check_classes(self._settings.classes, self._settings)

    def complaint(self, target: np.ndarray) -> str | None:
        """What is wrong with a target, or None."""
        count = len(self._settings.classes)
        if 0 <= target < count:
            return None
        return f"the class {target} is not one of 0 to {count - 1}"

    def task(self, splits: Mapping[str, tuple[Tensor, np.ndarray]]) -> ClassificationTask:
        """The task on the images and targets of each split, "train" among them."""
        settings = self._settings
        given = {
            split: TensorSource(
                [f"{split}{row:05d}" for row in range(len(images))],
                images,
                targets.astype(np.int64),
            )
            for split, (images, targets) in splits.items()
        }
        assert settings.input_size is not None  # that of the images
        return ClassificationTask(
            name=settings.name,
            classes=settings.classes,
            input_size=settings.input_size,
            sources=deal(given, settings, self._where),
            reward_classes=settings.reward_classes,
            inputs=settings.inputs,
            normalisation=settings.given_normalisation or settings.usual_normalisation,
            mirror=settings.mirror,
        )
