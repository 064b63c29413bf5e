"""What a folder was taken for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from nas.errors import UserError
from nas.tasks.image_files import IMAGE_SUFFIXES, size_of
from nas.tasks.listing import is_entered, is_litter

_SPLITS = {
    "train": ("train",),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test",),
}
_LOOKED_AT = 32
_LARGEST = 256


@dataclass(frozen=True)
class Recognised:
    """A task that a folder seems to hold.

    Attributes:
        what: What the folder was taken for, as a clause.
        values: The contents of its task.yaml, without name and input size.
        images: Some of its images, to choose the input size by.
        used: The files that belong to it.
        advice: A sentence for each thing that a user may have to change.
    """

    what: str
    values: dict[str, Any]
    images: tuple[Path, ...]
    used: frozenset[Path]
    advice: tuple[str, ...] = field(default=())


class Folder:
    """The files below a folder, but hidden ones and those of systems and tools.

    Args:
        root: The folder.

    Raises:
        UserError: If it is none.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(f"{root}: no such folder.")
        self.root = root
        self.files = tuple(sorted(_files(root)))

    @cached_property
    def images(self) -> dict[Path, dict[str, Path]]:
        """The images of each folder by their names without suffix."""
        found: defaultdict[Path, dict[str, Path]] = defaultdict(dict)
        for path in self.files:
            if path.suffix.lower() in IMAGE_SUFFIXES:
                found[path.parent][path.stem] = path
        return dict(found)

    def ending(self, *suffixes: str) -> list[Path]:
        """The files with one of the suffixes, those next to the root first."""
        found = [path for path in self.files if path.suffix.lower() in suffixes]
        return sorted(found, key=lambda path: (len(path.parts), path))

    def images_below(self, folder: Path) -> list[Path]:
        """All images in a folder and the folders within it."""
        return [
            path
            for parent, images in self.images.items()
            if parent.is_relative_to(folder)
            for path in images.values()
        ]

    def relative(self, path: Path) -> str:
        """A path as a task.yaml names it."""
        return path.relative_to(self.root).as_posix()


def split_of(name: str) -> str | None:
    """The split that a name of a folder or file tells; None if it tells none.

    Args:
        name: A path below the root.
    """
    words = "".join(one if one.isalpha() else " " for one in name.lower()).split()
    for split, known in _SPLITS.items():
        for word in words:
            # `trainannot` and `trainval` are folders of train, `valley` is none of validation.
            if word in known or (split == "train" and word.startswith("train")):
                return split
    return None


def input_size(images: Iterable[Path], step: int) -> list[int] | None:
    """Height and width that suit the images: their proportions, in multiples of a step.

    Args:
        images: Image files.
        step: In pixels.

    Returns:
        None where no image can be read; whoever reads them tells.
    """
    sizes = [size for path in spread(list(images), _LOOKED_AT) if (size := _size(path))]
    if not sizes:
        return None
    height, width = sorted(sizes)[len(sizes) // 2]
    scale = min(1.0, _LARGEST / max(height, width))
    return [max(step, round(side * scale / step) * step) for side in (height, width)]


def spread(items: list[Path], count: int) -> list[Path]:
    """So many of the items, from the first to the last."""
    if len(items) <= count:
        return items
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return size_of(path)
    except UserError:
        return None


def is_lossy(path: Path) -> bool:
    """Whether a file is a photograph by its format."""
    try:
        with Image.open(path) as image:
            return image.format in ("JPEG", "MPO", "WEBP")
    except (OSError, SyntaxError, ValueError):
        return False


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if is_entered(path) and not path.is_symlink():
                yield from _files(path)
        elif not path.name.startswith(".") and not is_litter(path):
            yield path
