"""Index PNG: the value of a pixel is the number of its class, whatever colour a palette gives it.

So are the masks of Pascal VOC (http://host.robots.ox.ac.uk/pascal/VOC), and those of 0 and 255.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.tasks.image_files import size_of
from nas.tasks.mask_files import mask_palette, read_mask
from nas.tasks.segmentation.formats.mask import (
    Labelled,
    Mask,
    MaskFormat,
    MaskLook,
    by_name,
    listed,
    told,
)


@dataclass(frozen=True)
class IndexMask(Mask):
    """A PNG with one channel."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> np.ndarray:
        return read_mask(self.path)

    def size(self) -> tuple[int, int]:
        return size_of(self.path)

    def digest(self) -> bytes:
        return hashlib.blake2b(self.path.read_bytes(), digest_size=16).digest()

    def look(self) -> MaskLook:
        values = self.read()
        return MaskLook(values, palette=mask_palette(self.path, values))


class FilePerImage(MaskFormat):
    """A mask is a PNG with the name of its image."""

    def find(self, images: Path, masks: Path) -> Labelled:
        pictures, told_of_images, problems = self._index(images, self._settings.reader.suffixes)
        files, told_of_masks, more = self._index(masks, {".png"})
        return Labelled(
            pictures,
            {name: self.mask(path) for name, path in files.items()},
            problems + more,
            told_of_images + told_of_masks,
        )

    def mask(self, path: Path) -> Mask:
        """The mask that a file holds."""
        return IndexMask(path)

    def _index(
        self, folder: Path, suffixes: Set[str]
    ) -> tuple[dict[str, Path], tuple[str, ...], tuple[str, ...]]:
        listing = listed(folder, suffixes)
        found, problems = by_name((path.stem, path) for path in listing.files)
        if listing.folders and not listing.files:
            problems = (
                f"{folder}: its files lie in folders within it, which are not entered; move them "
                "up, or name one of these folders in the task.",
            )
        return found, told(folder, listing), problems
