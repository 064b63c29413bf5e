"""What a format of masks is: it pairs images with masks by name, and a mask tells its pixels."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from nas.errors import UserError
from nas.tasks.listing import Listing, composed, image_files
from nas.tasks.segmentation.settings import SegmentationSettings

BACKGROUND = "background"
"""The class of pixels that no annotation covers, in formats that annotate regions."""


@dataclass(frozen=True)
class MaskLook:
    """A mask that was read.

    Attributes:
        values: As `Mask.read` gives them.
        palette: The colour of each value, where the values are stored beside colours.
        treatment: What is done with it besides decoding it, as clauses.
    """

    values: np.ndarray
    palette: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    treatment: tuple[str, ...] = ()


class Mask(ABC):
    """The classes of the pixels of one image, as they are stored.

    ``str`` of it is what messages call it.

    Attributes:
        scales: Whether it may be smaller or larger than its image, in the same proportions.
    """

    scales: ClassVar[bool] = False

    @abstractmethod
    def read(self) -> np.ndarray:
        """The value of each pixel's class, or the ignored value; H×W uint8, upright.

        Raises:
            UserError: If it cannot be read, or holds what is no class.
        """

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Height and width in pixels as stored; the pixels are not read.

        Raises:
            UserError: If it cannot be read.
        """

    @abstractmethod
    def digest(self) -> bytes:
        """Sixteen bytes that change with what `read` gives."""

    def look(self) -> MaskLook:
        """What `read` gives, and what the check of a task tells of it.

        Raises:
            UserError: As `read` does.
        """
        return MaskLook(self.read())


@dataclass(frozen=True)
class Labelled:
    """What a format finds in the places of images and masks.

    Attributes:
        images: Each image by its name without folder and suffix.
        masks: Each mask by the name of its image.
        problems: A sentence for what cannot be used.
        notes: A sentence for what is worth knowing.
    """

    images: dict[str, Path]
    masks: dict[str, Mask]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class MaskFormat(ABC):
    """Finds images and their masks.

    Args:
        settings: Of the task.

    Attributes:
        needs_every_mask: Whether an image without a mask is a mistake; it is passed over otherwise.
    """

    needs_every_mask: ClassVar[bool] = True

    def __init__(self, settings: SegmentationSettings) -> None:
        self._settings = settings

    @abstractmethod
    def find(self, images: Path, masks: Path) -> Labelled:
        """Lists the images and the masks of two places, which are not paired yet.

        Args:
            images: Folder of the images.
            masks: Folder of the masks, or the file that tells them.

        Raises:
            UserError: If a place is missing, or the file is not of this format.
        """

    def missing(self, name: str, masks: Path) -> str:
        """The clause of a message for an image without mask."""
        return f"no mask {name}.png in {masks}"


@dataclass(frozen=True)
class Labels:
    """What the labels of annotations mean.

    Attributes:
        values: Value of the class of each label, and the ignored value of labels without a class.
        background: Value of pixels that nothing covers.
        ignored: Value of pixels that belong to no class.
    """

    values: dict[str, int]
    background: int
    ignored: int

    @classmethod
    def of(cls, settings: SegmentationSettings) -> Labels:
        """The labels of a task: its classes, and those that it ignores."""
        ignored = settings.ignored_value
        classes = {name: value for value, name in settings.classes.items()}
        return cls(
            {**dict.fromkeys(settings.ignored_labels, ignored), **classes},
            classes.get(BACKGROUND, ignored),
            ignored,
        )

    def value(self, label: str, where: str) -> int:
        """The value of a label.

        Args:
            label: The label.
            where: What has it, for the message.

        Raises:
            UserError: If it is no class.
        """
        if label not in self.values:
            raise UserError(
                f"{where}: the label {label!r} is no class; add it to classes, or to "
                "ignored_labels if its pixels belong to none."
            )
        return self.values[label]

    def notes(self) -> tuple[str, ...]:
        """A sentence where nothing is said of pixels that no annotation covers."""
        if self.background != self.ignored:
            return ()
        return (
            f"pixels that no annotation covers are ignored; add a class {BACKGROUND} if they are "
            "one.",
        )


@dataclass
class Painting:
    """Regions that are painted one over the other.

    Attributes:
        values: H×W uint8.
        overlapping: Whether a region covers part of another one with another value.
    """

    values: np.ndarray
    overlapping: bool = False
    _covered: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._covered = np.zeros(self.values.shape, bool)

    @classmethod
    def empty(cls, size: tuple[int, int], labels: Labels) -> Painting:
        """Nothing but background, of a height and width in pixels."""
        return cls(np.full(size, labels.background, np.uint8))

    def put(self, region: np.ndarray, value: int) -> None:
        """Paints a region, H×W bool, over what is there."""
        below = self.values[region & self._covered]
        self.overlapping = self.overlapping or bool((below != value).any())
        self.values[region] = value
        self._covered |= region


def digest_of(*parts: bytes | str) -> bytes:
    """Sixteen bytes that change with every part."""
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(len(content).to_bytes(8, "big") + content)
    return total.digest()


def listed(folder: Path, suffixes: Set[str], *, within: bool = False) -> Listing:
    """Lists the files of a folder that has to exist.

    Raises:
        UserError: If it does not.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; correct the path or give --data.")
    return image_files(folder, suffixes, within=within)


def told(folder: Path, listing: Listing, *without: str) -> tuple[str, ...]:
    """Sentences for what was passed over in a folder.

    Args:
        folder: The folder.
        listing: Of its files.
        without: Suffixes that are not worth telling, as something else reads them.
    """
    for suffix in without:
        del listing.passed_over[suffix]
    return tuple(f"{folder}: {clause}." for clause in listing.notes())


def by_name(named: Iterable[tuple[str, Path]]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Files by their names, and a sentence for each name that occurs again."""
    found: dict[str, Path] = {}
    problems = []
    for name, path in named:
        name = composed(name)
        if name in found:
            problems.append(f"{path}: {found[name].name} has the same name.")
        found.setdefault(name, path)
    return found, tuple(problems)
