"""What a network has to learn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from nas.errors import UserError
from nas.tasks.dataset import SegmentationDataset, Source, Transform
from nas.tasks.spelling import hint
from nas.tasks.transforms import Augmentation

SPLITS = ("train", "validation", "test")

Groups = dict[str, list[str | list[str]]]


@dataclass(frozen=True)
class Task:
    """A segmentation task: images, masks, and what their values mean.

    Attributes:
        name: Name in reports.
        classes: Name of each class, in the order of the values in the masks.
        input_size: Height and width of the images in pixels.
        sources: Where the images of "train" (what is learned from), "validation" (what guides a
            search) and "test" come from.
        reward_classes: Names of the classes whose quality a search maximises.
        ignore_index: Value in the masks of pixels that belong to no class.
        pairs: Indices of the classes that a mirrored image swaps.
        groups: Groups for grouped scores; a member is a class, or a list of classes that count
            as one.
        mean: Mean of each colour channel in 0 to 1, for normalisation.
        std: Standard deviation of each colour channel in 0 to 1.
    """

    kind: ClassVar[str] = "segmentation"
    splits: ClassVar[tuple[str, ...]] = SPLITS

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    sources: dict[str, Source] = field(repr=False)
    reward_classes: tuple[str, ...]
    ignore_index: int = 255
    pairs: tuple[tuple[int, int], ...] = ()
    groups: Groups = field(default_factory=dict)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def num_classes(self) -> int:
        """Number of classes, the ignored value not counted."""
        return len(self.classes)

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return len(self.mean)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """N x channels x height x width of one image."""
        return (1, self.channels, *self.input_size)

    @cached_property
    def fingerprint(self) -> str:
        """Key of the images, masks and their meaning, for caches.

        What only chooses among scores, the reward classes and groups, does not change it.
        """
        meaning = (
            self.classes,
            self.ignore_index,
            self.pairs,
            self.input_size,
            self.mean,
            self.std,
        )
        content = [(split, self.sources[split].digest) for split in self.splits]
        return hashlib.blake2b(repr((meaning, content)).encode(), digest_size=16).hexdigest()

    def dataset(self, split: str, transform: Transform | None = None) -> SegmentationDataset:
        """The labelled images of a split, read at first use.

        Raises:
            UserError: If there is no such split.
        """
        if split not in self.sources:
            raise UserError(f"task {self.name}: no split {split!r}; {hint(split, self.sources)}")
        return SegmentationDataset(self.sources[split], transform)

    def transform(self, preset: str) -> Augmentation:
        """The augmentation "none", "light" or "full", for images and masks of this task.

        Raises:
            UserError: If there is no such preset.
        """
        return Augmentation.create(preset, self.pairs, self.ignore_index)
