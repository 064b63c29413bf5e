"""Images with a class for every pixel that lie in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from nas.settings import validate
from nas.tasks.segmentation.settings import MaskSettings
from nas.tasks.segmentation.source import MaskInspection, SegmentationSource
from nas.tasks.segmentation.splits import hold_out
from nas.tasks.segmentation.task import SegmentationTask

_HELD_OUT = 0.1


class TensorSource(SegmentationSource):
    """Images and masks in memory.

    Args:
        names: Name of each image.
        images: N×C×H×W uint8.
        masks: N×H×W uint8.
        num_classes: Number of classes; every other value in the masks is ignored.
    """

    def __init__(
        self, names: Sequence[str], images: Tensor, masks: Tensor, num_classes: int
    ) -> None:
        self.names = tuple(names)
        self._images = images
        self._masks = masks
        self._num_classes = num_classes

    @property
    def digest(self) -> str:
        """Hash of the names and every pixel of images and masks."""
        start = repr((self.names, tuple(self._images.shape)))
        total = hashlib.blake2b(start.encode(), digest_size=16)
        total.update(self._images.numpy().tobytes())
        total.update(self._masks.numpy().tobytes())
        return total.hexdigest()

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> TensorSource:
        names, chosen = [self.names[row] for row in rows], torch.as_tensor(rows, dtype=torch.long)
        return TensorSource(names, self._images[chosen], self._masks[chosen], self._num_classes)

    def read(self) -> tuple[Tensor, Tensor]:
        return self._images, self._masks

    def inspect(self) -> Iterator[MaskInspection]:
        for mask in self._masks.numpy():
            # Every value that is no class counts as the one behind the last class.
            counts = np.bincount(
                np.minimum(mask, self._num_classes).ravel(), minlength=self._num_classes + 1
            )
            yield MaskInspection(mask.shape, counts)


class _Settings(MaskSettings):
    seed: int = Field(default=0, ge=0)


class MasksInMemory:
    """Makes a segmentation task of images and masks.

    Args:
        values: Fields of `MaskSettings`, and the `seed` of what is held out of train.
        where: What they are for, for messages.

    Raises:
        UserError: If a value is wrong.
    """

    dimensions: ClassVar[int] = 2
    """Of a target."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._settings = validate(_Settings, dict(values), where)

    def complaint(self, target: np.ndarray) -> str | None:
        """What is wrong with a mask, or None."""
        settings = self._settings
        if target.shape != settings.input_size:
            height, width = settings.input_size
            found = "x".join(map(str, target.shape))
            return f"the mask has {found} pixels, its image {height}x{width}"
        ignored = [] if settings.ignored is None else [settings.ignored]
        unknown = np.setdiff1d(target, [*settings.classes, *ignored])
        if not len(unknown):
            return None
        return (
            f"the value {unknown[0]} is none of the {len(settings.classes)} classes, and not "
            f"ignore_index {settings.ignored}"
        )

    def task(self, splits: Mapping[str, tuple[Tensor, np.ndarray]]) -> SegmentationTask:
        """The task on the images and masks of each split, "train" among them."""
        settings = self._settings
        sources = {
            split: TensorSource(
                [f"{split}{row:05d}" for row in range(len(images))],
                images,
                torch.from_numpy(masks.astype(np.uint8)),
                len(settings.classes),
            )
            for split, (images, masks) in splits.items()
        }
        whole = sources["train"]
        rows = list(range(len(whole.names)))
        for split in ("test", "validation"):
            if split not in sources:
                count = max(round(_HELD_OUT * len(whole.names)), 1)
                rows, chosen = hold_out(rows, count, settings.seed)
                sources[split] = whole.select(chosen)
        if len(rows) < len(whole.names):
            sources["train"] = whole.select(rows)
        return settings.task(sources, 255 if settings.ignored is None else settings.ignored)
