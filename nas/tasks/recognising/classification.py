"""Recognises images with one class each."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_text
from nas.tasks.classification.layouts import cub, idx, image_folder
from nas.tasks.listing import is_entered
from nas.tasks.recognising.recognised import Folder, Recognised, split_of

_FEWEST = 2


def published(folder: Folder) -> Recognised | None:
    """The files of MNIST, and the lists of CUB-200-2011."""
    root, kind = folder.root, {"kind": "classification"}
    if idx.recognised(root):
        used = [path for path in folder.files if "ubyte" in path.name]
        advice = ("The files do not name the classes; write classes: [...] in their order.",)
        what = "the idx files of MNIST and its followers"
        return Recognised(what, {**kind, "layout": "idx"}, (), frozenset(used), advice)
    if cub.recognised(root):
        images = folder.images_below(root / "images")
        lists = [path for path in folder.files if path.parent == root and path.suffix == ".txt"]
        used = [*images, *lists]
        values = {**kind, "layout": "cub"}
        return Recognised("the lists of CUB-200-2011", values, tuple(images), frozenset(used))
    return None


def class_folders(folder: Folder) -> Recognised | None:
    """A folder for each class, in folders of splits or without."""
    if image_folder.recognised(folder.root):
        return _in_splits(folder)
    classes = [path for path in folder.root.iterdir() if path.is_dir() and is_entered(path)]
    filled = [path for path in classes if folder.images_below(path)]
    if len(filled) < _FEWEST:
        return None
    images = [one for part in filled for one in folder.images_below(part)]
    names = sorted(path.name for path in filled)
    advice = (f"Classes are the folders; write classes: [{names[0]}, ...] for some of them only.",)
    values: dict[str, Any] = {"kind": "classification", "layout": "class_folders"}
    if len(filled) < len(classes):
        values["classes"] = names
    what = f"a folder for each of {len(filled)} classes, without splits"
    return Recognised(what, values, tuple(images), frozenset(images), advice)


def _in_splits(folder: Folder) -> Recognised | None:
    parts = [path for path in folder.root.iterdir() if path.is_dir() and split_of(path.name)]
    images = [one for part in parts for one in folder.images_below(part)]
    if not images:
        return None
    what = f"a folder for each class in {', '.join(sorted(path.name for path in parts))}"
    values = {"kind": "classification", "layout": "image_folder"}
    return Recognised(what, values, tuple(images), frozenset(images))


def lists(folder: Folder) -> Recognised | None:
    """Lists of two columns, of images and their classes."""
    found = {
        path: place
        for path in folder.ending(".csv", ".txt", ".tsv")
        if (place := _place(folder, path)) is not None
    }
    if not found:
        return None
    splits = {split: path for path in reversed(found) if (split := split_of(path.stem))}
    chosen = splits if "train" in splits else {"train": next(iter(found))}
    images = found[chosen["train"]]
    named = {
        split: folder.relative(chosen[split])
        for split in ("train", "validation", "test")
        if split in chosen
    }
    values = {
        "kind": "classification",
        "layout": "list",
        "lists": named,
        "images": folder.relative(images),
    }
    pictures = folder.images_below(images)
    what = f"lists of images and classes ({', '.join(named.values())})"
    used = frozenset([*pictures, *chosen.values()])
    return Recognised(what, values, tuple(pictures), used)


def _place(folder: Folder, path: Path) -> Path | None:
    """The folder that the names of a list start from; None if it is no such list."""
    try:
        lines = [line for line in read_text(path).split("\n") if line.strip()][:20]
    except UserError:
        return None
    rows = [next(csv.reader([line])) if "," in line else line.split() for line in lines]
    if len(rows) < _FEWEST or any(len(row) != _FEWEST for row in rows):
        return None
    name = rows[1][0].strip().replace("\\", "/")
    for place in sorted({folder.root, *folder.images}, key=lambda one: (len(one.parts), one)):
        known = folder.images.get((place / name).parent, {})
        wanted = (place / name).name
        if wanted in known or any(file.name == wanted for file in known.values()):
            return place
    return None
