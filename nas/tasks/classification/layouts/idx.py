"""The layout of MNIST and of what follows it, such as Fashion-MNIST: four idx files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.tasks.classification.array_source import ArraySource
from nas.tasks.classification.layouts.found import Found
from nas.tasks.classification.layouts.idx_file import read_array, read_shape
from nas.tasks.classification.settings import ClassificationSettings

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def recognised(root: Path) -> bool:
    """Whether the folder has the file of the images for training."""
    return _find(root, _FILES["train"][0]) is not None


def find(root: Path, settings: ClassificationSettings) -> Found:
    """Reads the labels; the images are read when they are used.

    The data set has train and most often test; validation is held out of train. Each file may be
    compressed (.gz). Unless they are named, the classes have the names of their numbers.

    Raises:
        UserError: If a file is missing or damaged, the files do not belong together, or an
            option does not fit this layout.
    """
    if settings.centre_crop is not None:
        raise UserError(f"task {settings.name}: idx images are not cropped; remove centre_crop.")
    if settings.short_side is not None:
        raise UserError(f"task {settings.name}: idx images have one size; remove short_side.")
    if isinstance(settings.channels, int):
        raise UserError(
            f"task {settings.name}: idx images are grey; channels is 'grey', or 'rgb' for three "
            "equal ones."
        )
    files = {"train": _pair(root, "train")}
    if any(_find(root, name) for name in _FILES["test"]):
        files["test"] = _pair(root, "test")
    size = settings.input_size or _image_size(files["train"][0])
    channels = sum(settings.inputs.values())
    sources = {split: _source(split, *pair, size, channels) for split, pair in files.items()}
    count = 1 + max(int(source.labels.max()) for source in sources.values())
    return Found(_names(settings, count), dict(sources), size, None)


def _names(settings: ClassificationSettings, count: int) -> tuple[str, ...]:
    if settings.classes and len(settings.classes) < count:
        raise UserError(
            f"task {settings.name}: classes names {len(settings.classes)} classes, but the labels "
            f"reach {count - 1}; name all {count}."
        )
    return settings.classes or tuple(str(label) for label in range(count))


def _source(
    split: str, images: Path, labels: Path, size: tuple[int, int], channels: int
) -> ArraySource:
    classes = read_array(labels, 1).astype(np.int64)
    count = read_shape(images, 3)[0]
    if count != len(classes) or not count:
        raise UserError(f"{images}: {count} images, but {labels.name} has {len(classes)} labels.")
    names = [f"{split}{index:05d}" for index in range(count)]
    load, rows = partial(read_array, images, 3), np.arange(count)
    return ArraySource(load, rows, names, classes, size, channels)


def _image_size(path: Path) -> tuple[int, int]:
    _, height, width = read_shape(path, 3)
    return height, width


def _pair(root: Path, split: str) -> tuple[Path, Path]:
    images, labels = (_find(root, name) for name in _FILES[split])
    if images is None or labels is None:
        missing = _FILES[split][0 if images is None else 1]
        raise UserError(f"{root}: no file {missing} or {missing}.gz; correct root, or give --data.")
    return images, labels


def _find(root: Path, name: str) -> Path | None:
    candidates = (root / name, root / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)
