"""The layout of ImageFolder: a folder for each split, and in it one for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.tasks.classification.file_source import FileSource
from nas.tasks.classification.layouts.found import Found, photo_size
from nas.tasks.classification.settings import ClassificationSettings
from nas.tasks.listing import composed, image_files, is_entered
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
    return found_in(_split_folders(root), root, settings)


def found_in(folders: dict[str, Path], root: Path, settings: ClassificationSettings) -> Found:
    """Lists the folders of classes in those of the splits.

    Args:
        folders: That of each split, "train" among them.
        root: Folder of all of them.
        settings: Of the task.

    Raises:
        UserError: If a class has no folder.
    """
    known = _classes(folders["train"])
    for name in map(composed, settings.classes):
        if name not in known:
            raise UserError(
                f"task {settings.name}: {folders['train']} has no folder of the class {name!r}; "
                f"{hint(name, known)}"
            )
    # Folders that are left out on purpose are no mistake in another split either.
    problems = () if settings.classes else _strangers(folders, known)
    classes = tuple(map(composed, settings.classes)) or known
    size, crop = photo_size(settings)
    listed = {split: _list(root, one, classes, settings) for split, one in folders.items()}
    notes = tuple(note for one in listed.values() for note in one.notes)
    sources = {
        split: FileSource(
            root,
            one.names,
            one.labels,
            size,
            crop,
            settings.reader,
            settings.short_side,
            problems,
            notes,
        )
        for split, one in listed.items()
    }
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
    return tuple(sorted(_class_folders(folder)))


def _class_folders(folder: Path) -> dict[str, Path]:
    """The folder of each class, which may be spelt as macOS does."""
    found = (path for path in folder.iterdir() if path.is_dir() and is_entered(path))
    return {composed(path.name): path for path in found}


@dataclass(frozen=True)
class _Listed:
    names: list[str]
    labels: np.ndarray
    notes: list[str]


def _list(
    root: Path, folder: Path, classes: tuple[str, ...], settings: ClassificationSettings
) -> _Listed:
    names: list[str] = []
    labels: list[int] = []
    suffixes, folders = settings.reader.suffixes, _class_folders(folder)
    # Beside the folders of the classes.
    beside = len(image_files(folder, suffixes, within=False).files)
    what = "image" if beside == 1 else "images"
    notes = [f"{folder}: passed over {beside} {what} of no class."] if beside else []
    for label, name in enumerate(classes):
        if name not in folders:
            continue
        found = image_files(folders[name], suffixes, within=True)
        names += [path.relative_to(root).as_posix() for path in found.files]
        labels += [label] * len(found.files)
        notes += [f"{folders[name]}: {clause}." for clause in found.notes()]
    return _Listed(names, np.array(labels, np.int64), notes)
