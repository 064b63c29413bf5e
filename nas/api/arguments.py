"""What callers give, names or objects, as settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UserError
from nas.nested import flattened

if TYPE_CHECKING:
    from torch import nn

    from nas.tasks import Task

Config = Mapping[str, Any] | str | Path
"""Settings by the keys of the YAML, nested or dotted, or the path of a YAML file."""


def split_config(
    config: Config | None, options: Mapping[str, Any]
) -> tuple[Path | None, dict[str, Any]]:
    """The YAML file, if there is one, and all other settings by dotted key."""
    if isinstance(config, (str, Path)):
        return Path(config), dict(options)
    values = flattened(config or {})
    contradicted = [key for key in options if key in values and values[key] != options[key]]
    if contradicted:
        key = contradicted[0]
        raise UserError(f"config says {key}={values[key]!r}, and an argument {options[key]!r}.")
    return None, values | dict(options)


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have a value."""
    return {key: value for key, value in options.items() if value is not None}


def length(
    epochs: int | None, time: str | float | None, section: str = "training."
) -> dict[str, Any]:
    """The settings of how long a training takes.

    Args:
        epochs: Passes over the training split, or None.
        time: A duration, or None.
        section: Of the settings, with its dot.

    Raises:
        UserError: If both are given.
    """
    if epochs is not None and time is not None:
        raise UserError(f"{epochs} epochs and a time of {time}: give one of them.")
    if epochs is not None:
        # A time that a configuration gives would have the last word.
        return {f"{section}epochs": epochs, f"{section}time": None}
    return given({f"{section}time": time})


def task_name(task: str | Path | Task | None) -> str | None:
    """The name of a task, or the one under which an object is kept."""
    if task is None or isinstance(task, (str, Path)):
        return None if task is None else str(task)
    from nas.objects import keep

    return keep(task, f"{task.name}-{task.fingerprint[:12]}")


def task_of(settings: Mapping[str, Any]) -> Task:
    """The task that raw settings name by ``task``, ``data`` and ``task_options``.

    Raises:
        UserError: If it cannot be had, or the settings are wrong.
    """
    import nas.tasks

    options = settings.get("task_options") or {}
    if not isinstance(options, dict):
        raise UserError(f"task_options: must be a mapping, not {options!r}.")
    if not settings.get("task"):
        raise UserError("task: it is missing; name the data, for example digits.")
    return nas.tasks.load(str(settings["task"]), settings.get("data"), **options)


def module_name(module: str | Path | nn.Module | None, what: str) -> str | None:
    """The name of a network, or the one under which a module is kept."""
    if module is None or isinstance(module, (str, Path)):
        return None if module is None else str(module)
    from torch import nn

    from nas.models.encoder import fingerprint
    from nas.objects import keep

    if not isinstance(module, nn.Module):
        raise UserError(f"{what}: expected a name or a torch.nn.Module, not {module!r}.")
    return keep(module, f"{type(module).__name__}-{fingerprint(module.state_dict())[:12]}")


def teacher_run(teacher: Any) -> str | None:
    """The folder or file of a teacher, or the name under which a module is kept."""
    from nas.api.results import TrainedRun

    return module_name(teacher.path if isinstance(teacher, TrainedRun) else teacher, "teacher")


def space_options(space: Any) -> dict[str, Any]:
    """The settings of a search space given by name, as a class or as an object."""
    import search_spaces

    if space is None or isinstance(space, str):
        return {"space.name": space}
    if isinstance(space, search_spaces.SearchSpace):
        return {
            "space.name": address("search_spaces", type(space)),
            "space.options": dict(space.options),
        }
    return {"space.name": address("search_spaces", space)}


def address(package: str, found: Any) -> str | None:
    """The name or import path of a part that has a registry in a package.

    Raises:
        UserError: If it is neither registered nor importable.
    """
    if found is None or isinstance(found, str):
        return found
    import importlib

    try:
        registered: str = importlib.import_module(package).address(found)
    except ValueError as error:
        raise UserError(str(error)) from error
    return registered


def penalty_settings(
    penalties: Mapping[str, float] | Iterable[str] | None,
) -> list[dict[str, Any]] | None:
    """The settings of penalties: exponents by cost, or costs with the usual exponent."""
    if penalties is None:
        return None
    if isinstance(penalties, str):
        raise UserError(f"penalties: give exponents by cost, for example {{{penalties!r}: -0.6}}.")
    if isinstance(penalties, Mapping):
        return [{"cost": cost, "exponent": exponent} for cost, exponent in penalties.items()]
    return [{"cost": cost} for cost in penalties]
