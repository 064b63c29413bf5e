"""The layout of ImageFolder: a folder for each split, and in it one for each class."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.tasks.classification.file_source import FileSource
from nas.tasks.classification.layouts.found import Found, photo_size
from nas.tasks.classification.settings import ClassificationSettings
from nas.tasks.reading import image_suffixes
from nas.tasks.spelling import hint

_FOLDERS = {
    "train": ("train",),
    "validation": ("val", "valid", "validation"),
    "test": ("test",),
}


def recognised(root: Path) -> bool:
    """Whether the folder has a `train` with folders in it."""
    return (root / "train").is_dir() and bool(_classes(root / "train"))


def find(root: Path, settings: ClassificationSettings) -> Found:
    """Lists `train/CLASS/*`, and likewise `val`, `valid` or `validation`, and `test`.

    Folders inside that of a class belong to it.

    Raises:
        UserError: If there is no folder `train`, a class has no folder, or several folders claim
            to be one split.
    """
    folders = _split_folders(root)
    known = _classes(folders["train"])
    for name in settings.classes:
        if name not in known:
            raise UserError(
                f"task {settings.name}: {folders['train']} has no folder of the class {name!r}; "
                f"{hint(name, known)}"
            )
    # Folders that are left out on purpose are no mistake in another split either.
    problems = () if settings.classes else _strangers(folders, known)
    classes = settings.classes or known
    size, crop = photo_size(settings)
    sources = {}
    for split, folder in folders.items():
        names, labels = _list(root, folder, classes, image_suffixes(settings.channels))
        sources[split] = FileSource(root, names, labels, size, crop, settings.channels, problems)
    return Found(classes, dict(sources), size, settings.usual_normalisation)


def _strangers(folders: dict[str, Path], known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{folder / name}: {folders['train']} has no such class."
        for folder in folders.values()
        for name in _classes(folder)
        if name not in known
    )


def _split_folders(root: Path) -> dict[str, Path]:
    folders = {}
    for split, names in _FOLDERS.items():
        present = [root / name for name in names if (root / name).is_dir()]
        if len(present) > 1:
            raise UserError(
                f"{root}: {present[0].name} and {present[1].name} both claim to be {split}; "
                "remove one."
            )
        if present:
            folders[split] = present[0]
    if "train" not in folders:
        raise UserError(f"{root / 'train'}: no such folder; correct root, or give --data.")
    return folders


def _classes(folder: Path) -> tuple[str, ...]:
    found = (path for path in folder.iterdir() if path.is_dir())
    return tuple(sorted(path.name for path in found if not path.name.startswith(".")))


def _list(
    root: Path, folder: Path, classes: tuple[str, ...], suffixes: Set[str]
) -> tuple[list[str], np.ndarray]:
    names: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = [path for path in (folder / name).rglob("*") if _is_image(path, suffixes)]
        names += sorted(path.relative_to(root).as_posix() for path in files)
        labels += [label] * len(files)
    return names, np.array(labels, np.int64)


def _is_image(path: Path, suffixes: Set[str]) -> bool:
    # Some systems leave hidden files with the name of an image beside it.
    named = path.suffix.lower() in suffixes and not path.name.startswith(".")
    return named and path.is_file()
