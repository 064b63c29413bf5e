"""Finds the files of each split."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from nas.errors import UserError
from nas.files import read_text
from nas.tasks.image_files import IMAGE_SUFFIXES
from nas.tasks.listing import composed, is_within
from nas.tasks.segmentation.formats.mask import Labelled, Mask
from nas.tasks.segmentation.formats.registry import format_of
from nas.tasks.segmentation.settings import SegmentationSettings, SplitSettings

T = TypeVar("T")


@dataclass(frozen=True)
class LabelledFile:
    """An image and its mask; the name is that of the image without suffix."""

    name: str
    image: Path
    mask: Mask


@dataclass(frozen=True)
class SplitFiles:
    """The files of each split.

    Attributes:
        splits: Image and mask of each.
        problems: A sentence for each file that cannot be used.
        notes: A sentence for what was passed over.
    """

    splits: dict[str, tuple[LabelledFile, ...]]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def find_files(settings: SegmentationSettings, root: Path) -> SplitFiles:
    """Pairs images and masks by name and deals them to the splits.

    Raises:
        UserError: If a folder or list file is missing.
    """
    finder = _Finder(settings, root)
    splits = settings.splits
    found = {"train": finder.find(splits.train)}
    for name, split in (("test", splits.test), ("validation", splits.validation)):
        if split.held_out is None:
            found[name] = finder.find(split)
    # Both shares are those of the whole training split, so neither depends on the other.
    whole = len(found["train"])
    for name, split in (("test", splits.test), ("validation", splits.validation)):
        if split.held_out is not None:
            count = max(round(split.held_out * whole), 1)
            found["train"], found[name] = hold_out(found["train"], count, split.seed or 0)
    ordered = {name: tuple(found[name]) for name in ("train", "validation", "test")}
    # Splits of the same folders report the same files.
    problems = dict.fromkeys([*finder.problems, *_overlaps(ordered)])
    return SplitFiles(ordered, tuple(problems), tuple(dict.fromkeys(finder.notes)))


class _Finder:
    """Finds the files of single splits and gathers the problems on the way."""

    def __init__(self, settings: SegmentationSettings, root: Path) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._settings = settings
        self._root = root
        self._format = format_of(settings)
        self._known: dict[tuple[Path, Path], Labelled] = {}

    def find(self, split: SplitSettings) -> list[LabelledFile]:
        place = self._settings.place
        images = place(split.images or self._settings.images, "images", self._root)
        masks = place(split.masks or self._settings.masks, "masks", self._root)
        found = self._labelled(images, masks)
        by_name, mask_by_name = found.images, found.masks
        if split.names is not None:
            path = place(split.names, "a split", self._root)
            return self._listed(path, by_name, mask_by_name, images, masks)
        for name in sorted(mask_by_name.keys() - by_name.keys()):
            self.problems.append(f"{mask_by_name[name]}: no image {name} in {images}.")
        if self._format.needs_every_mask:
            for name in sorted(by_name.keys() - mask_by_name.keys()):
                self.problems.append(f"{by_name[name]}: {self._format.missing(name, masks)}.")
            names = sorted(by_name)[split.bounds(len(by_name))]
        else:
            labelled = sorted(by_name.keys() & mask_by_name.keys())
            names = labelled[split.bounds(len(labelled))]
        usable = [name for name in names if name in mask_by_name]
        return [LabelledFile(name, by_name[name], mask_by_name[name]) for name in usable]

    def _labelled(self, images: Path, masks: Path) -> Labelled:
        # Splits of the same places need not list them anew.
        if (images, masks) not in self._known:
            found = self._format.find(images, masks)
            self.problems += found.problems
            self.notes += found.notes
            self._known[images, masks] = found
        return self._known[images, masks]

    def _listed(
        self,
        path: Path,
        by_name: dict[str, Path],
        mask_by_name: Mapping[str, Mask],
        images: Path,
        masks: Path,
    ) -> list[LabelledFile]:
        found: dict[str, LabelledFile] = {}
        for image, mask in self._lines(path, by_name, mask_by_name, (images, masks)):
            if image not in by_name:
                self.problems.append(f"{path}: names {image}, but {images} has no such image.")
            elif mask not in mask_by_name:
                missing = self._format.missing(mask, masks)
                self.problems.append(f"{by_name[image]}: {missing}.")
            elif image in found:
                self.problems.append(f"{path}: names {image} twice.")
            else:
                found[image] = LabelledFile(image, by_name[image], mask_by_name[mask])
        return list(found.values())

    def _lines(
        self,
        path: Path,
        by_name: dict[str, Path],
        mask_by_name: Mapping[str, Mask],
        folders: tuple[Path, Path],
    ) -> Iterator[tuple[str, str]]:
        """The image and the mask of each line; they have one name where the line has one."""
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            text = line.strip()
            name = _name(text)
            columns = _columns(text)
            if not text or (text.startswith("#") and name not in by_name):
                continue
            first, last = _name(columns[0]), _name(columns[-1])
            # The name of a file may have blanks in it, and so may that of its folder.
            paired = len(columns) == 2 and first in by_name and last in mask_by_name
            whole = name in by_name and not (paired and "/" in text)
            places = [text] if whole else columns
            self._check_places(places, f"{path}: line {number}", folders)
            if whole or len(columns) == 1:
                yield name, name
            elif len(columns) == 2 and last in mask_by_name:
                yield first, last
            elif first in by_name:
                self.problems.append(
                    f"{path}: line {number}, {text!r}, has {len(columns)} columns, and the second "
                    "is no mask; give one name in a line, or an image and its mask."
                )
            else:
                yield name, name

    def _check_places(self, names: list[str], where: str, folders: tuple[Path, Path]) -> None:
        """Refuses files elsewhere: names of a list are looked up in the folders of the split."""
        for name in names:
            self._settings.check_inside(name, where, self._root, *folders)
            if not is_within(name, folders):
                raise UserError(
                    f"{where} names {name!r}, which is neither in {folders[0]} nor in "
                    f"{folders[1]}; correct it, or images and masks in the task."
                )


def _name(text: str) -> str:
    """The name without folder and suffix of what a list says, on any system."""
    name = PurePosixPath(text.replace("\\", "/"))
    return composed(name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name)


def _columns(text: str) -> list[str]:
    for separator in ("\t", ",", ";"):
        if separator in text:
            return [part.strip() for part in text.split(separator)]
    return text.split()


def hold_out(items: Sequence[T], count: int, seed: int) -> tuple[list[T], list[T]]:
    """Takes `count` of the items out at random; returns those that stay and those taken."""
    chosen = set(random.Random(seed).sample(range(len(items)), min(count, len(items))))
    kept = [item for index, item in enumerate(items) if index not in chosen]
    return kept, [item for index, item in enumerate(items) if index in chosen]


def _overlaps(splits: dict[str, tuple[LabelledFile, ...]]) -> list[str]:
    first_split: dict[Path, str] = {}
    folders: dict[Path, Path] = {}
    problems = []
    for split, files in splits.items():
        for file in files:
            path, folder = file.image, file.image.parent
            # Asking the system for each folder on the way to each file takes long.
            if folder not in folders:
                folders[folder] = folder.resolve()
            path = path.resolve() if path.is_symlink() else folders[folder] / path.name
            if first_split.setdefault(path, split) != split:
                problems.append(f"{file.image}: in both {first_split[path]} and {split}.")
    return problems
