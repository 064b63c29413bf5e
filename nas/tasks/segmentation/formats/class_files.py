"""One mask file for each class of an image: CLASS/NAME.png, or NAME_CLASS.png in any folders.

So are the masks of CelebAMask-HQ (Lee et al. 2020, https://arxiv.org/abs/1907.11922), whose class
files are numbered with leading zeros, half as high as their images, and missing where an image has
nothing of the class.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.tasks.image_files import size_of
from nas.tasks.listing import composed
from nas.tasks.mask_files import read_region
from nas.tasks.segmentation.formats.mask import (
    Labelled,
    Labels,
    Mask,
    MaskFormat,
    MaskLook,
    Painting,
    by_name,
    digest_of,
    listed,
    told,
)

_SEPARATORS = ("_", "-", ".")


@dataclass(frozen=True)
class ClassFilesMask(Mask):
    """A file for each class of an image.

    Attributes:
        files: The file of each label. Where two overlap, the later label lies on top.
        labels: What the labels mean.
    """

    scales = True

    files: dict[str, Path]
    labels: Labels

    def __str__(self) -> str:
        first = next(iter(self.files.values()))
        others = len(self.files) - 1
        return f"{first} and {others} more" if others else str(first)

    def read(self) -> np.ndarray:
        return self._painted().values

    def size(self) -> tuple[int, int]:
        return size_of(next(iter(self.files.values())))

    def digest(self) -> bytes:
        content = [part for name, path in self.files.items() for part in (name, path.read_bytes())]
        return digest_of(repr(self.labels), *content)

    def look(self) -> MaskLook:
        painted = self._painted()
        rule = "files of different classes overlap; the later class of the task lies on top"
        return MaskLook(painted.values, treatment=(rule,) * painted.overlapping)

    def _painted(self) -> Painting:
        painting: Painting | None = None
        for label, path in self.files.items():
            region = read_region(path)
            painting = painting or Painting.empty(region.shape, self.labels)
            if region.shape != painting.values.shape:
                height, width = painting.values.shape
                raise UserError(
                    f"{path}: the mask has {region.shape[0]}x{region.shape[1]} pixels, and that of "
                    f"another class of its image {height}x{width}."
                )
            painting.put(region, self.labels.values[label])
        assert painting is not None
        return painting


class ClassFiles(MaskFormat):
    """The folder or the end of the name of a mask is its class."""

    def find(self, images: Path, masks: Path) -> Labelled:
        labels = Labels.of(self._settings)
        pictures = listed(images, self._settings.reader.suffixes)
        found, problems = by_name((path.stem, path) for path in pictures.files)
        files = listed(masks, {".png"}, within=True)
        by_image: defaultdict[str, dict[str, Path]] = defaultdict(dict)
        unknown = []
        # CelebAMask-HQ pads the numbers of its images in the names of masks alone.
        unpadded = {_number(name): name for name in found}
        for path in files.files:
            name, label = _name_and_label(path, masks, labels)
            if label is None:
                unknown.append(path)
                continue
            name = name if name in found else unpadded.get(_number(name), name)
            if label in by_image[name]:
                problems += (f"{path}: {by_image[name][label]} is a mask of the same class.",)
            by_image[name].setdefault(label, path)
        if unknown:
            more = f", and so it is for {len(unknown) - 1} more" if len(unknown) > 1 else ""
            problems += (
                f"{unknown[0]}: neither its folder nor the end of its name is a class{more}; add "
                "it to classes, or to ignored_labels.",
            )
        order = {label: place for place, label in enumerate(labels.values)}
        ordered: dict[str, Mask] = {
            name: ClassFilesMask(dict(sorted(one.items(), key=lambda item: order[item[0]])), labels)
            for name, one in by_image.items()
        }
        notes = told(images, pictures)
        return Labelled(found, ordered, problems, notes + labels.notes())

    def missing(self, name: str, masks: Path) -> str:
        return f"no mask of {name} and a class in {masks}"


def _name_and_label(path: Path, masks: Path, labels: Labels) -> tuple[str, str | None]:
    folders = [composed(part) for part in path.relative_to(masks).parts[:-1]]
    inner = next((part for part in reversed(folders) if part in labels.values), None)
    stem = composed(path.stem)
    if inner is not None:
        return stem, inner
    ends = [
        (stem[: -len(label) - 1], label)
        for label in labels.values
        for separator in _SEPARATORS
        if stem.endswith(separator + label)
    ]
    # Of `lip` and `upper_lip` the longer one is meant.
    return max(ends, key=lambda end: len(end[1]), default=(stem, None))


def _number(name: str) -> str:
    return name.lstrip("0") or "0" if name.isdecimal() else name
