"""A classification task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from nas.errors import UserError
from nas.tasks.classification.augment import Augment
from nas.tasks.classification.augmentation import AugmentationSettings
from nas.tasks.classification.dataset import ClassificationDataset
from nas.tasks.classification.normalisation import IMAGENET
from nas.tasks.classification.settings import Colour
from nas.tasks.classification.source import ClassificationSource
from nas.tasks.spelling import hint
from nas.tasks.task import SPLITS


@dataclass(frozen=True)
class ClassificationTask:
    """Images of one class each.

    Attributes:
        name: Name in reports.
        classes: Name of each class, in the order of the labels.
        input_size: Height and width of the images in pixels.
        sources: Where the images of "train", "validation" and "test" come from.
        reward_classes: Names of the classes whose quality counts; all unless given.
        mean: Mean of each colour channel in 0 to 1, for normalisation.
        std: Standard deviation of each colour channel in 0 to 1.
    """

    kind: ClassVar[str] = "classification"
    splits: ClassVar[tuple[str, ...]] = SPLITS

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    sources: dict[str, ClassificationSource] = field(repr=False)
    reward_classes: tuple[str, ...] = ()
    mean: Colour = IMAGENET[0]
    std: Colour = IMAGENET[1]

    def __post_init__(self) -> None:
        if not self.reward_classes:
            object.__setattr__(self, "reward_classes", self.classes)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
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
        """Key of the images, labels and their meaning, for caches.

        What only chooses among scores, the reward classes, does not change it.
        """
        meaning = (self.kind, self.classes, self.input_size, self.mean, self.std)
        content = [(split, self.sources[split].digest) for split in self.splits]
        return hashlib.blake2b(repr((meaning, content)).encode(), digest_size=16).hexdigest()

    def dataset(self, split: str) -> ClassificationDataset:
        """The labelled images of a split, read at first use.

        Raises:
            UserError: If there is no such split.
        """
        if split not in self.sources:
            raise UserError(f"task {self.name}: no split {split!r}; {hint(split, self.sources)}")
        return ClassificationDataset(self.sources[split])

    def augmentation(self, settings: AugmentationSettings) -> Augment:
        """The augmentation of these settings, for images of this task.

        Raises:
            UserError: If a setting does not fit the size of the images.
        """
        return Augment(settings, self.input_size)
