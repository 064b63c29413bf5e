"""Colour-coded PNG: a table tells the class of each colour."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.tasks.image_files import size_of
from nas.tasks.mask_files import read_colours
from nas.tasks.segmentation.formats.index import FilePerImage
from nas.tasks.segmentation.formats.mask import Labels, Mask, digest_of
from nas.tasks.segmentation.settings import SegmentationSettings

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ColourMask(Mask):
    """A PNG in colour.

    Attributes:
        path: The file.
        values: Value of each colour, as one number.
    """

    path: Path
    values: dict[int, int] = field(repr=False)

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> np.ndarray:
        colours = packed(read_colours(self.path))
        found, places = np.unique(colours, return_inverse=True)
        unknown = [int(colour) for colour in found if int(colour) not in self.values]
        if unknown:
            count = int((colours == unknown[0]).sum())
            others = f" and {len(unknown) - 1} more colours" if len(unknown) > 1 else ""
            raise UserError(
                f"{self.path}: the colour #{unknown[0]:06x} ({count} pixels){others} "
                f"{'are' if others else 'is'} not in the task's table of colours."
            )
        values = np.array([self.values[int(colour)] for colour in found], np.uint8)
        return values[places.reshape(colours.shape)]

    def size(self) -> tuple[int, int]:
        return size_of(self.path)

    def digest(self) -> bytes:
        return digest_of(self.path.read_bytes(), repr(sorted(self.values.items())))


class Colours(FilePerImage):
    """A mask is a PNG with the name of its image, and a colour for each class."""

    def __init__(self, settings: SegmentationSettings) -> None:
        super().__init__(settings)
        labels = Labels.of(settings)
        self._values = {
            int(packed(np.array(colour))): labels.values[name]
            for name, colours in settings.colours.items()
            for colour in colours
        }

    def mask(self, path: Path) -> Mask:
        return ColourMask(path, self._values)


def packed(colours: np.ndarray) -> np.ndarray:
    """One number for each colour: ...×3 becomes ... of int64."""
    red, green, blue = np.moveaxis(colours.astype(np.int64), -1, 0)
    return np.asarray((red << 16) | (green << 8) | blue)
