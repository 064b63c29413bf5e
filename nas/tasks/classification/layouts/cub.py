"""The layout of CUB-200-2011 (Wah et al. 2011, https://www.vision.caltech.edu/datasets/cub_200_2011).

Four lists beside the folder `images`, each line a number and what belongs to it: the files, their
classes, the names of the classes, and which files are for training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.files import read_text
from nas.tasks.classification.file_source import FileSource
from nas.tasks.classification.layouts.found import Found, photo_size, renamed
from nas.tasks.classification.settings import ClassificationSettings
from nas.tasks.listing import below

_IMAGES, _LABELS = "images.txt", "image_class_labels.txt"
_CLASSES, _SPLIT = "classes.txt", "train_test_split.txt"


def recognised(root: Path) -> bool:
    """Whether the folder has the lists of files and of their classes."""
    return (root / _IMAGES).is_file() and (root / _LABELS).is_file()


def find(root: Path, settings: ClassificationSettings) -> Found:
    """Reads the lists.

    The data set has train and test; validation is held out of train. Pooled, it has train alone.

    Raises:
        UserError: If a list is missing or has a wrong line.
    """
    files, classes = _read(root / _IMAGES), _read(root / _CLASSES)
    names = renamed(tuple(classes.values()), settings)
    position = {number: label for label, number in enumerate(classes)}
    labels = _looked_up(root / _LABELS, files, position, f"no class of {_CLASSES}")
    flags = _looked_up(root / _SPLIT, files, {0: 0, 1: 1}, "neither 1 for train nor 0 for test")
    size, crop = photo_size(settings)
    for number, path in files.items():
        where = f"{root / _IMAGES}: image {number}"
        settings.check_inside(f"images/{path}", where, root)
    paths = [below(root, f"images/{path}").relative_to(root).as_posix() for path in files.values()]
    whole = FileSource(root, paths, labels, size, crop, settings.reader, settings.short_side)
    sources = {
        split: whole.select(np.flatnonzero(flags == flag))
        for split, flag in (("train", 1), ("test", 0))
    }
    if settings.pooled:
        sources = {"train": whole}
    return Found(names, dict(sources), size, settings.usual_normalisation)


def _read(path: Path) -> dict[int, str]:
    lines = read_text(path).split("\n")
    values: dict[int, str] = {}
    for row, line in enumerate(lines, start=1):
        number, _, value = line.strip().partition(" ")
        if not line.strip():
            continue
        if not number.isdecimal() or not value.strip():
            raise UserError(f"{path}: line {row}, {line!r}, is no number followed by a value.")
        if int(number) in values:
            raise UserError(f"{path}: line {row} gives the number {number} again.")
        values[int(number)] = value.strip()
    if not values:
        raise UserError(f"{path}: the file is empty.")
    return values


def _looked_up(
    path: Path, files: dict[int, str], meaning: dict[int, int], otherwise: str
) -> np.ndarray:
    """What the list at `path` says of each file, as int64."""
    values = _read(path)
    found = []
    for number, file in files.items():
        if number not in values:
            raise UserError(f"{path}: no line for image {number}, {file}.")
        value = values[number]
        if not value.isdecimal() or int(value) not in meaning:
            raise UserError(f"{path}: image {number} has {value!r}, which is {otherwise}.")
        found.append(meaning[int(value)])
    return np.array(found, np.int64)
