"""Cityscapes (Cordts et al. 2016, https://arxiv.org/abs/1604.01685): a folder for each city.

Images are CITY/NAME_leftImg8bit.png and masks CITY/NAME_gtFine_labelIds.png, or gtCoarse, whose
values are the numbers of the data set's own list of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.tasks.image_files import size_of
from nas.tasks.mask_files import read_mask
from nas.tasks.segmentation.formats.mask import (
    Labelled,
    Labels,
    Mask,
    MaskFormat,
    by_name,
    digest_of,
    listed,
)
from nas.tasks.segmentation.settings import SegmentationSettings
from nas.tasks.spelling import hint

# In the order of their numbers from 0.
LABELS = (
    "unlabeled",
    "ego vehicle",
    "rectification border",
    "out of roi",
    "static",
    "dynamic",
    "ground",
    "road",
    "sidewalk",
    "parking",
    "rail track",
    "building",
    "wall",
    "fence",
    "guard rail",
    "bridge",
    "tunnel",
    "pole",
    "polegroup",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "caravan",
    "trailer",
    "train",
    "motorcycle",
    "bicycle",
)
NO_EVALUATION = frozenset(
    {
        *LABELS[:7],
        *("parking", "rail track", "guard rail", "bridge", "tunnel", "polegroup"),
        *("caravan", "trailer"),
    }
)
"""Labels that the benchmark leaves out."""

IMAGE_END = "_leftImg8bit"
MASK_ENDS = ("_gtFine_labelIds", "_gtCoarse_labelIds")
# The number of license plates, -1, as 8 bits hold it.
_PLATES = 255


@dataclass(frozen=True)
class LabelIdsMask(Mask):
    """A PNG of the numbers of Cityscapes.

    Attributes:
        path: The file.
        values: Value of each number, by the number.
    """

    path: Path
    values: dict[int, int]

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> np.ndarray:
        numbers = read_mask(self.path)
        found, places = np.unique(numbers, return_inverse=True)
        for number in found.tolist():
            if number not in self.values:
                raise UserError(
                    f"{self.path}: {number} is not the number of a label of Cityscapes; if these "
                    "are train ids, describe them as format: index."
                )
        values = np.array([self.values[number] for number in found.tolist()], np.uint8)
        return values[places.reshape(numbers.shape)]

    def size(self) -> tuple[int, int]:
        return size_of(self.path)

    def digest(self) -> bytes:
        return digest_of(self.path.read_bytes(), repr(sorted(self.values.items())))


class Cityscapes(MaskFormat):
    """Classes are labels of Cityscapes; pixels of its other labels are ignored."""

    def __init__(self, settings: SegmentationSettings) -> None:
        super().__init__(settings)
        labels = Labels.of(settings)
        for name in labels.values:
            if name not in LABELS:
                raise UserError(
                    f"task {settings.name}: {name!r} is no label of Cityscapes; "
                    f"{hint(name, LABELS)}"
                )
        self._values = {
            number: labels.values.get(name, labels.ignored) for number, name in enumerate(LABELS)
        } | {_PLATES: labels.ignored}

    def find(self, images: Path, masks: Path) -> Labelled:
        suffixes = self._settings.reader.suffixes
        pictures, more = by_name(_ending(images, suffixes, (IMAGE_END,)))
        files, problems = by_name(_ending(masks, {".png"}, MASK_ENDS))
        found = {name: LabelIdsMask(path, self._values) for name, path in files.items()}
        return Labelled(pictures, dict(found), more + problems)

    def missing(self, name: str, masks: Path) -> str:
        return f"no mask {name}{MASK_ENDS[0]}.png in {masks}"


def _ending(
    folder: Path, suffixes: frozenset[str] | set[str], ends: tuple[str, ...]
) -> list[tuple[str, Path]]:
    return [
        (path.stem.removesuffix(end), path)
        for path in listed(folder, suffixes, within=True).files
        for end in ends
        if path.stem.endswith(end)
    ]
