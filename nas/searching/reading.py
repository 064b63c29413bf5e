"""Reading the configuration of a search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nas.tasks
import search_spaces
from nas.kinds.registry import kind_named, kind_names
from nas.searching.config import (
    TASK_KIND,
    SearchConfig,
    SweepSearchConfig,
    TableSearchConfig,
    image_config,
)
from nas.searching.locations import placed_in
from nas.searching.sections import SpaceSettings
from nas.settings import overridden, read_values, validate


def config_class(values: Mapping[str, Any]) -> type[SearchConfig]:
    """The configuration that raw values are meant for: told by a table, the task or the space."""
    if values.get("experiment") is not None:
        return SweepSearchConfig
    if values.get("table") is not None:
        return TableSearchConfig
    if values.get(TASK_KIND) is not None:
        return image_config(str(values[TASK_KIND]))
    space = values.get("space")
    name = space.get("name") if isinstance(space, Mapping) else None
    try:
        return image_config(search_spaces.kind(str(name)) if name else "segmentation")
    except search_spaces.SpaceError:
        # The registry of spaces reports the error.
        return image_config("segmentation")


def load_config(path: Path | None, overrides: Mapping[str, Any]) -> SearchConfig:
    """Reads the configuration of a new search.

    Defaults give way to the file, and the file to the overrides.

    Args:
        path: A YAML file, or none.
        overrides: Values by dotted key, for example ``{"space.options.cells": 2}``.

    Raises:
        UserError: If the file cannot be read, or a key or value is wrong.
    """
    values = read_values(path)
    if path is not None and (path.parent / "run.json").is_file():
        # The file of a run names what lies in the run by a path from there.
        values = placed_in(path.parent, values)
    source = "configuration" if path is None else str(path)
    resolved = overridden(values, overrides)
    space = _default_space(resolved)
    resolved = _with_task_kind(_with_space(resolved, space))
    config = config_class(resolved)
    # The file alone, so that the message can name it; the table may come from elsewhere.
    told = ("table",) if config is TableSearchConfig else (TASK_KIND,)
    alone = {**{key: resolved[key] for key in told if key in resolved}, **values}
    validate(config, _with_space(alone, space), source)
    found = validate(config, resolved, "configuration" if overrides else source)
    return found.model_copy(update={"space": _with_starting_options(found.space)})


def _default_space(values: Mapping[str, Any]) -> str:
    """The name of the space of a search that names none: that of its task's kind."""
    task = values.get("task")
    kind = nas.tasks.told_kind(task) if isinstance(task, str) else ""
    if kind in kind_names():
        return kind_named(kind).default_space
    return str(config_class(values).model_fields["space"].default.name)


def _with_space(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The values with the name of a space, where they name none."""
    space = values.get("space", {})
    if not isinstance(space, Mapping) or "name" in space:
        return values
    return {**values, "space": {"name": name, **space}}


def _with_starting_options(space: SpaceSettings) -> SpaceSettings:
    """The settings of a space with the options that a new search starts with."""
    try:
        options = search_spaces.starting_options(space.name, space.options)
    except search_spaces.SpaceError:
        # Whoever creates the space says what is wrong.
        return space
    return space.model_copy(update={"options": options})


def _with_task_kind(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the kind of their task, where it borrows the search space of another."""
    space, task = values.get("space"), values.get("task")
    named = space.get("name") if isinstance(space, Mapping) else None
    if TASK_KIND in values or named is None or not isinstance(task, str):
        return values
    name = nas.tasks.told_kind(task)
    try:
        borrows = name in kind_names() and kind_named(name).space_kind is not None
        if not borrows or kind_named(name).space_kind != search_spaces.kind(str(named)):
            return values
    except search_spaces.SpaceError:
        # Whoever creates the space says what is wrong.
        return values
    return {**values, TASK_KIND: name}
