"""Writes the task.yaml of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nas.errors import UserError
from nas.files import replacing
from nas.tasks.listing import counted
from nas.tasks.recognising import classification, json_files, segmentation
from nas.tasks.recognising.dealing import Dealt, deal
from nas.tasks.recognising.recognised import Folder, Recognised, input_size
from nas.tasks.registry import FILE, load, names
from nas.tasks.task import Task

# What has a layout of its own is asked before folders that anybody may have.
_RECOGNISERS: tuple[Callable[[Folder], Recognised | None], ...] = (
    segmentation.cityscapes,
    segmentation.voc,
    segmentation.celeb,
    json_files.coco,
    json_files.labelme,
    classification.published,
    segmentation.folders_of_masks,
    classification.class_folders,
    classification.lists,
)
_CLASSIFICATION = "classification"
_SMALL = 64
"""Longest side in pixels of images that classifiers take as they are."""


@dataclass(frozen=True)
class Initialised:
    """What was written, and what it says.

    Attributes:
        path: The task.yaml.
        sentences: What the folder was taken for, what was passed over, and what to change.
    """

    path: Path
    sentences: tuple[str, ...]


def initialise(folder: str | Path) -> Initialised:
    """Looks at a folder and writes a task.yaml into it.

    Args:
        folder: With images, and what tells their classes.

    Raises:
        UserError: If there is a task.yaml already, the folder is nothing known, or what it holds
            cannot be loaded.
    """
    root = Path(folder).expanduser()
    path = root / FILE
    if path.exists():
        raise UserError(f"{path} is there already and stays as it is; remove it to start again.")
    found = Folder(root)
    recognised = next((one for look in _RECOGNISERS if (one := look(found)) is not None), None)
    if recognised is None:
        raise UserError(_unknown(found))
    values = {"name": root.resolve().name, **recognised.values}
    pairs = _pairs(values)
    if pairs:
        values["pairs"] = pairs
    size = _size(recognised)
    if size is not None:
        values["input_size"] = size
    try:
        with replacing(path) as temporary:
            _write(temporary, values)
            # What cannot be loaded is not written.
            task = load(temporary)
            drawn = _held_out(recognised, task) == ["validation", "test"]
            dealt = deal(task, lambda splits: load(temporary, splits=splits), drawn)
            if dealt.values:
                _write(temporary, values | dealt.values)
                task = load(temporary)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}).") from error
    return Initialised(path, tuple(_sentences(path, found, recognised, task, dealt)))


_HEAD = "# Written by nas task init; docs/data.md tells what else can be said here.\n"


def _write(path: Path, values: dict[str, Any]) -> None:
    # Short lists and mappings stand in one line, as people write them.
    text = yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )
    path.write_text(_HEAD + text, encoding="utf-8")


def _held_out(recognised: Recognised, task: Task) -> list[str]:
    """The splits that are drawn from train."""
    given = recognised.values.get("splits") or recognised.values.get("lists") or {}
    if recognised.values.get("layout") not in (None, "list", "class_folders"):
        return []
    return [split for split in task.splits if split not in given and split != "train"]


def _size(recognised: Recognised) -> list[int] | None:
    if recognised.values.get("kind") != _CLASSIFICATION:
        return input_size(recognised.images, 32) or [128, 128]
    size = input_size(recognised.images, 1)
    # Larger ones are cut to the usual size of classifiers.
    return None if size is None or max(size) > _SMALL else [max(side, 8) for side in size]


def _pairs(values: dict[str, Any]) -> list[list[str]]:
    """The classes of a segmentation task that a mirrored image swaps, by their names."""
    if values.get("kind") == _CLASSIFICATION:
        return []
    classes = values["classes"]
    called = list(classes.values() if isinstance(classes, dict) else classes)
    known: list[list[str]] = [list(pair) for pair in values.get("pairs", [])]
    for name in called:
        other = name.replace("left", "right")
        if other != name and other in called:
            known.append([name, other])
    return known


def _sentences(
    path: Path, folder: Folder, recognised: Recognised, task: Task, dealt: Dealt
) -> list[str]:
    counts = ", ".join(f"{split} {len(task.sources[split].names)}" for split in task.splits)
    told = [
        f"{folder.root}: taken for {recognised.what}.",
        f"A {task.kind} task of {task.num_classes} classes; images: {counts}.",
    ]
    drawn = _held_out(recognised, task)
    if drawn:
        told.append(f"{' and '.join(drawn).capitalize()}: a tenth of train each, at random.")
    told += dealt.advice
    left = Counter(
        file.suffix.lower() or "without a suffix"
        for file in folder.files
        if file not in recognised.used
    )
    if left:
        told.append(f"Passed over: {counted(left)}.")
    told += recognised.advice
    pairs = _pairs(recognised.values)
    if pairs:
        told.append(
            f"{pairs[0][0]} and {pairs[0][1]}, and so on, change places in mirrored images."
        )
    height, width = task.input_size
    told.append(
        f"Networks see images of {height}x{width}; a larger input_size shows them more and takes "
        "longer."
    )
    # A name of a built-in task would be taken for that.
    place = f"./{folder.root}" if str(folder.root) in names() else str(folder.root)
    space = " --space nasbench201" if task.kind == _CLASSIFICATION else ""
    told.append(
        f"Written: {path}. Next: nas task check {place}, then nas search --data {place}{space}"
    )
    return told


def _unknown(folder: Folder) -> str:
    images = sum(map(len, folder.images.values()))
    if folder.ending(".arrow", ".parquet"):
        return (
            f"{folder.root}: its images are packed, as in data sets of Hugging Face; nas task "
            f"unpack {folder.root} FOLDER writes them as files, with a task.yaml."
        )
    if not images:
        return f"{folder.root}: there is no image in it or in the folders within it."
    return (
        f"{folder.root}: {images} images, and nothing in a known layout that tells their classes: "
        "masks of the same names in a folder beside them, COCO or LabelMe JSON, a folder for each "
        "class, or a list of images and classes; docs/data.md has the layouts."
    )
