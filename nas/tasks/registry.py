"""Finds a task by its name or its files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from nas import allowed
from nas.errors import UserError
from nas.objects import is_object, kept
from nas.settings import read_yaml
from nas.tasks.antispoofing.task import AntiSpoofingTask
from nas.tasks.classification.loading import is_recognised, load_recognised
from nas.tasks.classification.task import ClassificationTask
from nas.tasks.segmentation.task import SegmentationTask
from nas.tasks.spelling import hint
from nas.tasks.task import Address, Task
from open_registry import Registry, UnknownNameError

FILE = "task.yaml"
"""Stands in the folder of a task and describes it."""


def _complaint(found: Any) -> str | None:
    return None if callable(found) else "must be a function that returns a task"


_TASKS: Registry[Callable[..., Task]] = Registry(
    "task",
    {
        "faces": "nas.tasks.faces.task:load_faces",
        "digits": "nas.tasks.classification.digits:load_digits",
        "spoofing": "nas.tasks.antispoofing.spoofing:load_spoofing",
    },
    _complaint,
)
# What builds the task that a task.yaml describes, by the kind that it names.
_KINDS: Registry[Callable[[Path, Any, Path | None], Task]] = Registry(
    "kind of task",
    {
        SegmentationTask.kind: "nas.tasks.segmentation.folder:load_folder",
        ClassificationTask.kind: "nas.tasks.classification.loading:load_described",
        AntiSpoofingTask.kind: "nas.tasks.antispoofing.loading:load_described",
    },
    _complaint,
)

LoaderT = TypeVar("LoaderT", bound=Callable[..., Task])
TaskT = TypeVar("TaskT", bound=Task)


def register(name: str) -> Callable[[LoaderT], LoaderT]:
    """A decorator for a function that returns a task, which `load` then knows by a name.

    The options of the task are the arguments of the function, and `data` is one of them if the
    task takes a folder. Without the decorator a function is known by its import path,
    ``package.module:function`` or ``path/to/file.py:function``.

    Args:
        name: What `load`, a configuration and the command line call the task.

    Raises:
        ValueError: If the name is taken.

    Examples:
        >>> import nas.tasks
        >>> @nas.tasks.register("small-digits")
        ... def small_digits(size: int = 8) -> nas.tasks.ClassificationTask:
        ...     return nas.tasks.load_classification("digits", size=size, train=100)
        >>> nas.tasks.load("small-digits", size=16).input_size
        (16, 16)
    """
    return _TASKS.register(name)


def names() -> tuple[str, ...]:
    """Names of the tasks that need no files: the built-in ones, then those registered."""
    return _TASKS.names()


def kinds() -> dict[str, str]:
    """Kind of each task that needs no files, by its name; empty if its function does not say."""
    return {name: _kind(_TASKS.get(name)) for name in names()}


def address(name: str) -> str:
    """What a task is found by from any folder: the absolute path of what lies in files.

    An unknown name stays as it is; whoever loads it says what is wrong.
    """
    if is_object(name) or name in names():
        return name
    path = Path(name).expanduser()
    if path.exists():
        return str(path.absolute())
    file, colon, function = name.rpartition(":")
    if colon and file.endswith(".py") and Path(file).is_file():
        return f"{Path(file).absolute()}:{function}"
    return name


def moved(name: str, data: str | None, place: str | Path) -> tuple[str, str | None]:
    """The name and the data of a task whose images are in another folder now.

    Args:
        name: What the task was loaded by.
        data: Folder of its images, if one was given.
        place: Where they are now. A folder that tells its task itself, by a task.yaml or its
            layout, takes the place of one that did.

    Raises:
        UserError: If there is no such folder.
    """
    root = Path(place).expanduser().absolute()
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; correct --data.")
    if data is not None or name in names() or (":" in name and not Path(name).exists()):
        return name, str(root)
    if (root / FILE).is_file() or is_recognised(root):
        return str(root), None
    return name, str(root)


def told_kind(name_or_path: str | Path) -> str:
    """The kind of a task as far as it is told without reading any image; empty if it is not.

    Args:
        name_or_path: As for `load`.
    """
    name, path = str(name_or_path), Path(name_or_path).expanduser()
    if is_object(name):
        return str(kept(name, "task").kind)
    if name in names() or (":" in name and not path.exists()):
        try:
            return _kind(_TASKS.get(name))
        except UnknownNameError:
            return ""
    file = path / FILE if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        return ClassificationTask.kind if is_recognised(path) else ""
    values = read_yaml(file) if file.is_file() else None
    return str(values.get("kind", "")) if isinstance(values, dict) else ""


def load(name_or_path: str | Path, data: str | Path | None = None, **options: Any) -> Task:
    """Loads a task; images are read when they are first used.

    Args:
        name_or_path: A name, the import path of a function that returns a task, a folder with a
            task.yaml, a YAML file, or a folder of images by class in one of the known layouts.
        data: Folder of the images, if it is not the one that the YAML file gives.
        **options: For a named task its options, for files values that take the place of those in
            the YAML file, such as `input_size`.

    Raises:
        UserError: If there is no such task, or its description is wrong.
    """
    name, path = str(name_or_path), Path(name_or_path).expanduser()
    if is_object(name):
        task: Task = kept(name, "task")
        if data is not None:
            raise UserError(f"the task {task.name!r} brings its own images; remove --data.")
        if options:
            raise UserError(
                f"task {task.name!r} was made by your code, so options cannot change it: leave out "
                f"{', '.join(options)}, or make it with them."
            )
        return task
    if name in names() or (":" in name and not path.exists()):
        return _load_named(name, data, options)
    root = Path(data).expanduser() if data is not None else None
    task = _load_files(path, root, options)
    absolute = None if root is None else str(root.absolute())
    return replace(task, address=Address(str(path.absolute()), absolute, options))


def is_importable(name: str) -> bool:
    """Whether other processes find a task: one of files, or one defined in an importable module.

    Args:
        name: As for `load`.

    Raises:
        UserError: If an import path leads to nothing.
    """
    if name not in names() and ":" not in name:
        return True
    try:
        return _TASKS.is_importable(name)
    except UnknownNameError as error:
        raise UserError(str(error)) from error


def _load_named(name: str, data: str | Path | None, options: dict[str, Any]) -> Task:
    try:
        function = _TASKS.get(name)
        address = _TASKS.address(name) if _TASKS.is_importable(name) else None
    except UnknownNameError as error:
        raise UserError(str(error)) from error
    arguments = dict(options)
    if data is not None:
        if "data" not in inspect.signature(function).parameters:
            raise UserError(f"the task {name!r} brings its own images; remove --data.")
        data = str(Path(data).expanduser().absolute())
        arguments["data"] = data
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise UserError(f"task {name}: {error}; correct the options.") from error
    task = function(**arguments)
    if not isinstance(task, Task):
        raise UserError(
            f"the task {name!r} must return a task of nas.tasks, such as a SegmentationTask or a "
            f"ClassificationTask, not {type(task).__name__}."
        )
    return replace(task, address=None if address is None else Address(address, data, options))


def _kind(function: Callable[..., Task]) -> str:
    try:
        returned = get_type_hints(function).get("return")
    # What is imported for the type checker alone has no value, and some callables have no hints.
    except (NameError, TypeError):
        return ""
    return getattr(returned, "kind", "")


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


def _load_files(path: Path, root: Path | None, options: dict[str, Any]) -> Task:
    if path.is_dir():
        if not (path / FILE).is_file():
            return _load_without_file(path, root, options)
        path = path / FILE
    elif path.is_absolute() and not path.exists():
        # What a run remembers.
        raise UserError(f"{path}: there is no such task any more; give --data if it moved.")
    elif not path.is_file():
        raise UserError(
            f"no task or file {str(path)!r}; {hint(str(path), names())}; or give a folder with a "
            f"{FILE}."
        )
    if root is not None and not root.is_dir():
        raise UserError(f"{root}: no such folder; correct --data.")
    return _load_described(path, root, options)


def _load_without_file(path: Path, root: Path | None, options: dict[str, Any]) -> Task:
    if not is_recognised(path):
        raise UserError(
            f"{path}: no {FILE} in this folder, and no known layout of images by class; write "
            "one, or give --task."
        )
    if root is not None:
        raise UserError(f"{path}: no {FILE} in this folder that could use --data; remove --data.")
    return load_recognised(path, options)


def _load_described(path: Path, root: Path | None, options: dict[str, Any]) -> Task:
    values = read_yaml(path)
    kind = SegmentationTask.kind
    if isinstance(values, dict):
        values = {**values, **options}
        kind = str(values.pop("kind", kind))
    # The file may come with images of somebody else.
    allowed.require(allowed.code_in({"kind": kind}), path)
    try:
        build = _KINDS.get(kind)
    except UnknownNameError as error:
        raise UserError(f"{path}: kind: {error}") from error
    return build(path, values, root)
