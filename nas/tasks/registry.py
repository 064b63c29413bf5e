"""Finds a task by its name or its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.tasks.faces.task import load_faces
from nas.tasks.folder import load_folder
from nas.tasks.spelling import hint
from nas.tasks.task import Task

_FILE = "task.yaml"
_BUILT_IN = {"faces": load_faces}


def names() -> tuple[str, ...]:
    """Names of the tasks that need no files."""
    return tuple(_BUILT_IN)


def load(name_or_path: str | Path, data: str | Path | None = None, **options: Any) -> Task:
    """Loads a task; images are read when they are first used.

    Args:
        name_or_path: A built-in name, a folder with a task.yaml, or a YAML file.
        data: Folder of the images, if it is not the one that the YAML file gives.
        **options: For a built-in task its options, for files values that take the place of those
            in the YAML file, such as `input_size`.

    Raises:
        UserError: If there is no such task, or its description is wrong.
    """
    name = str(name_or_path)
    if name in _BUILT_IN:
        if data is not None:
            raise UserError(f"the task {name!r} draws its own images; remove --data.")
        return _BUILT_IN[name](options)
    path = Path(name_or_path).expanduser()
    root = Path(data).expanduser() if data is not None else None
    if path.is_dir():
        if not (path / _FILE).is_file():
            raise UserError(f"{path}: no {_FILE} in this folder; write one, or give --task.")
        path = path / _FILE
    elif not path.is_file():
        raise UserError(
            f"no task or file {name!r}; {hint(name, names())}; or give a folder with a {_FILE}."
        )
    if root is not None and not root.is_dir():
        raise UserError(f"{root}: no such folder; correct --data.")
    return load_folder(path, root, options)
