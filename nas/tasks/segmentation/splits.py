"""Finds the files of each split."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nas.errors import UserError
from nas.tasks.reading import IMAGE_SUFFIXES, image_suffixes
from nas.tasks.segmentation.settings import SegmentationSettings, SplitSettings

T = TypeVar("T")


@dataclass(frozen=True)
class LabelledFile:
    """An image and its mask; the name is that of both without suffix."""

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class SplitFiles:
    """The files of each split, and a sentence for each file that cannot be used."""

    splits: dict[str, tuple[LabelledFile, ...]]
    problems: tuple[str, ...]


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
    return SplitFiles(ordered, tuple(problems))


class _Finder:
    """Finds the files of single splits and gathers the problems on the way."""

    def __init__(self, settings: SegmentationSettings, root: Path) -> None:
        self.problems: list[str] = []
        self._settings = settings
        self._root = root

    def find(self, split: SplitSettings) -> list[LabelledFile]:
        images = self._root / (split.images or self._settings.images or "")
        masks = self._root / (split.masks or self._settings.masks or "")
        by_name = self._index(images, image_suffixes(self._settings.channels))
        mask_by_name = self._index(masks, {".png"})
        if split.names is not None:
            return self._listed(self._root / split.names, by_name, mask_by_name, images, masks)
        for name in sorted(mask_by_name.keys() - by_name.keys()):
            self.problems.append(f"{mask_by_name[name]}: no image {name} in {images}.")
        for name in sorted(by_name.keys() - mask_by_name.keys()):
            self.problems.append(f"{by_name[name]}: no mask {name}.png in {masks}.")
        names = sorted(by_name)[split.bounds(len(by_name))]
        return _pair((name for name in names if name in mask_by_name), by_name, mask_by_name)

    def _listed(
        self,
        path: Path,
        by_name: dict[str, Path],
        mask_by_name: dict[str, Path],
        images: Path,
        masks: Path,
    ) -> list[LabelledFile]:
        names = _read_list(path)
        for name in names:
            if name not in by_name:
                self.problems.append(f"{path}: names {name}, but {images} has no such image.")
            elif name not in mask_by_name:
                self.problems.append(f"{by_name[name]}: no mask {name}.png in {masks}.")
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.problems.append(f"{path}: names {name} twice.")
        usable = by_name.keys() & mask_by_name.keys()
        listed = [name for name in dict.fromkeys(names) if name in usable]
        return _pair(listed, by_name, mask_by_name)

    def _index(self, folder: Path, suffixes: Set[str]) -> dict[str, Path]:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; correct the path or give --data.")
        found: dict[str, Path] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in suffixes or path.name.startswith("."):
                continue
            if path.stem in found:
                self.problems.append(f"{path}: {found[path.stem].name} has the same name.")
            found.setdefault(path.stem, path)
        return found


def _pair(
    names: Iterable[str], by_name: dict[str, Path], mask_by_name: dict[str, Path]
) -> list[LabelledFile]:
    return [LabelledFile(name, by_name[name], mask_by_name[name]) for name in names]


def _read_list(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot read this list of names ({error.strerror}).") from error
    names = [Path(line.strip()) for line in lines if line.strip()]
    return [name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name for name in names]


def hold_out(items: Sequence[T], count: int, seed: int) -> tuple[list[T], list[T]]:
    """Takes `count` of the items out at random; returns those that stay and those taken."""
    chosen = set(random.Random(seed).sample(range(len(items)), min(count, len(items))))
    kept = [item for index, item in enumerate(items) if index not in chosen]
    return kept, [item for index, item in enumerate(items) if index in chosen]


def _overlaps(splits: dict[str, tuple[LabelledFile, ...]]) -> list[str]:
    first_split: dict[Path, str] = {}
    problems = []
    for split, files in splits.items():
        for file in files:
            path = file.image.resolve()
            if first_split.setdefault(path, split) != split:
                problems.append(f"{file.image}: in both {first_split[path]} and {split}.")
    return problems
