"""A segmentation task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from nas.tasks.check_report import CheckReport
from nas.tasks.segmentation.augmentation import Augmentation
from nas.tasks.segmentation.dataset import SegmentationDataset, Transform
from nas.tasks.segmentation.source import SegmentationSource
from nas.tasks.task import Task

Groups = dict[str, list[str | list[str]]]


@dataclass(frozen=True)
class SegmentationTask(Task):
    """Images with a class for every pixel.

    Attributes:
        ignore_index: Value in the masks of pixels that belong to no class.
        pairs: Indices of the classes that a mirrored image swaps.
        groups: Groups for grouped scores; a member is a class, or a list of classes that count
            as one.
    """

    kind: ClassVar[str] = "segmentation"

    sources: Mapping[str, SegmentationSource] = field(repr=False)
    ignore_index: int = 255
    pairs: tuple[tuple[int, int], ...] = ()
    groups: Groups = field(default_factory=dict)

    def dataset(self, split: str, transform: Transform | None = None) -> SegmentationDataset:
        return SegmentationDataset(self._source(self.sources, split), transform)

    def transform(self, preset: str) -> Augmentation:
        """The augmentation "none", "light" or "full", for images and masks of this task.

        Raises:
            UserError: If there is no such preset.
        """
        return Augmentation.create(preset, self.pairs, self.ignore_index, self.is_rgb)

    def classes_shown(self, split: str) -> Iterator[frozenset[str]]:
        source = self._source(self.sources, split)
        masks = source.stored_masks()
        for mask in source.tensors[1].unbind() if masks is None else masks:
            values = np.unique(mask.numpy()).tolist()
            yield frozenset(self.classes[value] for value in values if value < self.num_classes)

    def check(self) -> CheckReport[Any]:
        # The check knows what a task is.
        from nas.tasks.segmentation.data_check import check_segmentation

        return check_segmentation(self)

    def _meaning(self) -> tuple[Any, ...]:
        # Without the kind, as keys of caches have always been.
        return (
            self.classes,
            self.ignore_index,
            self.pairs,
            self.input_size,
            self.mean,
            self.std,
        )
