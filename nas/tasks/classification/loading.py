"""Builds a classification task from files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.settings import validate
from nas.tasks.classification.classes import check_classes
from nas.tasks.classification.layouts import class_folders, cub, idx, image_folder, list_files
from nas.tasks.classification.layouts.found import Found
from nas.tasks.classification.memory import check_memory
from nas.tasks.classification.settings import ClassificationSettings
from nas.tasks.classification.splits import deal
from nas.tasks.classification.task import ClassificationTask


@dataclass(frozen=True)
class _Layout:
    recognised: Callable[[Path], bool]
    find: Callable[[Path, ClassificationSettings], Found]


# What has lists or files of its own is asked before folders that anybody may have.
_LAYOUTS = {
    "cub": _Layout(cub.recognised, cub.find),
    "idx": _Layout(idx.recognised, idx.find),
    "image_folder": _Layout(image_folder.recognised, image_folder.find),
    "class_folders": _Layout(class_folders.recognised, class_folders.find),
    "list": _Layout(list_files.recognised, list_files.find),
}


def is_recognised(folder: Path) -> bool:
    """Whether the folder has one of the known layouts."""
    return _layout_of(folder) is not None


def load_recognised(folder: Path, options: dict[str, Any]) -> ClassificationTask:
    """Builds the task of a folder whose layout says all.

    Args:
        folder: Its name becomes the task's.
        options: Fields of `ClassificationSettings`.

    Raises:
        UserError: If the files or an option are wrong.
    """
    values = {"name": folder.resolve().name, **options}
    return _load(validate(ClassificationSettings, values, str(folder)), folder, str(folder))


def load_described(path: Path, values: Any, data: Path | None) -> ClassificationTask:
    """Builds the task that a task.yaml describes.

    Args:
        path: The YAML file.
        values: What it holds: fields of `ClassificationSettings`.
        data: Folder of the data; the YAML's `root` unless given.

    Raises:
        UserError: If the files or a value are wrong.
    """
    settings = validate(ClassificationSettings, values, str(path))
    root = data if data is not None else path.parent / settings.root.expanduser()
    return _load(settings, root, str(path))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        # A name that no folder can have.
        return False


def _load(settings: ClassificationSettings, root: Path, where: str) -> ClassificationTask:
    if not _is_folder(root):
        raise UserError(f"{root}: no such folder; correct root, or give --data.")
    layout = _layout_of(root) if settings.layout == "auto" else settings.layout
    if layout is None:
        raise UserError(
            f"{root}: no known layout of images by class; known: {', '.join(_LAYOUTS)}."
        )
    if settings.pooled and layout != "cub":
        raise UserError(
            f"task {settings.name}: pooled belongs to the layout 'cub', and this is {layout!r}; "
            "remove it."
        )
    if layout != "list" and (settings.lists or settings.images):
        raise UserError(
            f"task {settings.name}: lists and images belong to the layout 'list', and this is "
            f"{layout!r}; remove them, or write layout: list."
        )
    found = _LAYOUTS[layout].find(root, settings)
    check_classes(found.classes, settings)
    sources = deal(found.sources, settings, where)
    check_memory(
        settings.name,
        sources,
        found.input_size,
        sum(settings.inputs.values()),
        settings.short_side,
    )
    return ClassificationTask(
        name=settings.name,
        classes=found.classes,
        input_size=found.input_size,
        sources=sources,
        reward_classes=settings.reward_classes,
        inputs=settings.inputs,
        normalisation=settings.given_normalisation or found.normalisation,
        mirror=settings.mirror,
    )


def _layout_of(root: Path) -> str | None:
    return next((name for name, layout in _LAYOUTS.items() if layout.recognised(root)), None)
