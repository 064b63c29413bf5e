"""What a network has to learn."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from nas.errors import UserError
from nas.tasks.check_report import CheckReport
from nas.tasks.dataset import ImageDataset, ImageSource
from nas.tasks.normalisation import IMAGENET, Colour
from nas.tasks.spelling import hint

SPLITS = ("train", "validation", "test")

SourceT = TypeVar("SourceT", bound=ImageSource)


@dataclass(frozen=True)
class Task(ABC):
    """Images, what is to be learned from them, and what that means.

    Attributes:
        kind: What a network gives for an image, the same for all tasks of a subclass.
        splits: Names of the splits: "train" is learned from, "validation" guides a search,
            "test" is tested on.
        name: Name in reports.
        classes: Name of each class, in the order of its values in the targets.
        input_size: Height and width of the images in pixels.
        sources: Where the images of each split come from.
        reward_classes: Names of the classes whose quality a search maximises; all unless given.
        mean: Mean of each colour channel in 0 to 1, for normalisation.
        std: Standard deviation of each colour channel in 0 to 1.
    """

    kind: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = SPLITS

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    sources: Mapping[str, ImageSource] = field(repr=False)
    reward_classes: tuple[str, ...] = ()
    mean: Colour = IMAGENET[0]
    std: Colour = IMAGENET[1]

    def __post_init__(self) -> None:
        if not self.reward_classes:
            object.__setattr__(self, "reward_classes", self.classes)

    @property
    def num_classes(self) -> int:
        """Number of classes; pixels that belong to none are no class."""
        return len(self.classes)

    @cached_property
    def fingerprint(self) -> str:
        """Key of the images, the targets and their meaning, for caches.

        What only chooses among scores, such as the reward classes, does not change it.
        """
        content = [(split, self.sources[split].digest) for split in self.splits]
        text = repr((self._meaning(), content))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @abstractmethod
    def dataset(self, split: str) -> ImageDataset:
        """The labelled images of a split, read at first use.

        Raises:
            UserError: If there is no such split.
        """

    @abstractmethod
    def check(self) -> CheckReport[Any]:
        """Reads every file of the task and tells what is wrong."""

    @abstractmethod
    def _meaning(self) -> tuple[Any, ...]:
        """What decides how the pixels and targets of the sources are used."""

    def _source(self, sources: Mapping[str, SourceT], split: str) -> SourceT:
        if split not in sources:
            raise UserError(f"task {self.name}: no split {split!r}; {hint(split, sources)}")
        return sources[split]
