"""What a network has to learn."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from nas.errors import UserError
from nas.tasks.check_report import CheckReport
from nas.tasks.dataset import ImageDataset, ImageSource
from nas.tasks.inputs import RGB
from nas.tasks.normalisation import IMAGENET, Normalisation, measure
from nas.tasks.spelling import hint

SPLITS = ("train", "validation", "test")

SourceT = TypeVar("SourceT", bound=ImageSource)


@dataclass(frozen=True)
class Address:
    """What `nas.tasks.load` takes to load a task again, in any process and folder.

    Attributes:
        name: A name, an import path or a file.
        data: Folder of the images, if one was given.
        options: Options.
    """

    name: str
    data: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


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
        inputs: Named inputs of an image and the channels of each; they lie one after the other in
            its tensor.
        normalisation: Mean and standard deviation of each channel; None to measure them on the
            train split when they are first used.
        address: How to load the task again; None if other processes cannot, as it was made of
            objects of this one.
    """

    kind: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = SPLITS

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    sources: Mapping[str, ImageSource] = field(repr=False)
    reward_classes: tuple[str, ...] = ()
    inputs: Mapping[str, int] = field(default_factory=lambda: dict(RGB))
    normalisation: Normalisation | None = IMAGENET
    address: Address | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.reward_classes:
            object.__setattr__(self, "reward_classes", self.classes)

    @property
    def num_classes(self) -> int:
        """Number of classes; pixels that belong to none are no class."""
        return len(self.classes)

    @property
    def channels(self) -> int:
        """Channels of an image, those of all inputs together."""
        return sum(self.inputs.values())

    @property
    def is_rgb(self) -> bool:
        """Whether an image is a photograph in colour and nothing else."""
        return dict(self.inputs) == RGB

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of one image as a batch, 1×C×H×W."""
        return (1, self.channels, *self.input_size)

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel in 0 to 1, for normalisation."""
        return self._normalisation[0]

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel in 0 to 1."""
        return self._normalisation[1]

    @cached_property
    def fingerprint(self) -> str:
        """Key of the images, the targets and their meaning, for caches.

        What only chooses among scores, such as the reward classes, does not change it.
        """
        content = [(split, self.sources[split].content) for split in self.splits]
        # Photographs in colour have the key that they had before there were other inputs.
        inputs = () if self.is_rgb else (tuple(self.inputs.items()),)
        text = repr(((*self._meaning(), *inputs), content))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @abstractmethod
    def dataset(self, split: str) -> ImageDataset:
        """The labelled images of a split, read at first use.

        Raises:
            UserError: If there is no such split.
        """

    def classes_shown(self, split: str) -> Iterator[frozenset[str]] | None:
        """The classes that each image of a split shows, in order.

        None where an image is of one class: splits of such tasks are drawn class by class.

        Raises:
            UserError: If a target cannot be read.
        """
        return None

    @abstractmethod
    def check(self) -> CheckReport[Any]:
        """Reads every file of the task and tells what is wrong."""

    @abstractmethod
    def _meaning(self) -> tuple[Any, ...]:
        """What decides how the pixels and targets of the sources are used."""

    @cached_property
    def _normalisation(self) -> Normalisation:
        return self.normalisation or measure(self.sources["train"].tensors[0])

    def _source(self, sources: Mapping[str, SourceT], split: str) -> SourceT:
        if split not in sources:
            raise UserError(f"task {self.name}: no split {split!r}; {hint(split, sources)}")
        return sources[split]
