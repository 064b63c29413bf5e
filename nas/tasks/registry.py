"""Finds a task by its name or its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nas.errors import UserError
from nas.settings import read_yaml
from nas.tasks.classification.digits import load_digits
from nas.tasks.classification.loading import is_recognised, load_described, load_recognised
from nas.tasks.classification.task import ClassificationTask
from nas.tasks.faces.task import load_faces
from nas.tasks.segmentation.folder import load_folder
from nas.tasks.segmentation.task import SegmentationTask
from nas.tasks.spelling import hint
from nas.tasks.task import Task

_FILE = "task.yaml"
_BUILT_IN: dict[str, tuple[str, Callable[[dict[str, Any]], Task]]] = {
    "faces": (SegmentationTask.kind, load_faces),
    "digits": (ClassificationTask.kind, load_digits),
}
_FILES: dict[str, Callable[[Path, Any, Path | None], Task]] = {
    SegmentationTask.kind: load_folder,
    ClassificationTask.kind: load_described,
}

TaskT = TypeVar("TaskT", bound=Task)


def names() -> tuple[str, ...]:
    """Names of the tasks that need no files."""
    return tuple(_BUILT_IN)


def kinds() -> dict[str, str]:
    """Kind of each task that needs no files, by its name."""
    return {name: kind for name, (kind, _) in _BUILT_IN.items()}


def load(name_or_path: str | Path, data: str | Path | None = None, **options: Any) -> Task:
    """Loads a task; images are read when they are first used.

    Args:
        name_or_path: A built-in name, a folder with a task.yaml, a YAML file, or a folder of
            images by class in one of the known layouts.
        data: Folder of the images, if it is not the one that the YAML file gives.
        **options: For a built-in task its options, for files values that take the place of those
            in the YAML file, such as `input_size`.

    Raises:
        UserError: If there is no such task, or its description is wrong.
    """
    name = str(name_or_path)
    if name in _BUILT_IN:
        if data is not None:
            raise UserError(f"the task {name!r} brings its own images; remove --data.")
        return _BUILT_IN[name][1](options)
    path = Path(name_or_path).expanduser()
    root = Path(data).expanduser() if data is not None else None
    if path.is_dir():
        if not (path / _FILE).is_file():
            return _load_without_file(path, root, options)
        path = path / _FILE
    elif not path.is_file():
        raise UserError(
            f"no task or file {name!r}; {hint(name, names())}; or give a folder with a {_FILE}."
        )
    if root is not None and not root.is_dir():
        raise UserError(f"{root}: no such folder; correct --data.")
    return _load_file(path, root, options)


def load_segmentation(
    name_or_path: str | Path, data: str | Path | None = None, **options: Any
) -> SegmentationTask:
    """Loads a task as `load` does, for those who can do nothing with another kind.

    Raises:
        UserError: Also if the task is no segmentation task.
    """
    return _of_kind(SegmentationTask, load(name_or_path, data, **options))


def load_classification(
    name_or_path: str | Path, data: str | Path | None = None, **options: Any
) -> ClassificationTask:
    """Loads a task as `load` does, for those who can do nothing with another kind.

    Raises:
        UserError: Also if the task is no classification task.
    """
    return _of_kind(ClassificationTask, load(name_or_path, data, **options))


def _of_kind(wanted: type[TaskT], task: Task) -> TaskT:
    if not isinstance(task, wanted):
        raise UserError(
            f"task {task.name}: a {wanted.kind} task is needed here, and this is a {task.kind} "
            "task."
        )
    return task


def _load_without_file(path: Path, root: Path | None, options: dict[str, Any]) -> Task:
    if not is_recognised(path):
        raise UserError(
            f"{path}: no {_FILE} in this folder, and no known layout of images by class; write "
            "one, or give --task."
        )
    if root is not None:
        raise UserError(f"{path}: no {_FILE} in this folder that could use --data; remove --data.")
    return load_recognised(path, options)


def _load_file(path: Path, root: Path | None, options: dict[str, Any]) -> Task:
    values = read_yaml(path)
    kind = SegmentationTask.kind
    if isinstance(values, dict):
        values = {**values, **options}
        kind = values.pop("kind", kind)
    if kind not in _FILES:
        raise UserError(f"{path}: kind: no kind of task {kind!r}; {hint(str(kind), _FILES)}.")
    return _FILES[kind](path, values, root)
