"""The base of every configuration model."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from nas.errors import UserError, sentence
from nas.files import read_text


class Settings(BaseModel):
    """A typed, frozen configuration in which an unknown key is an error.

    Attributes:
        later: Keys that older versions did not have. While they have their default they are in no
            dump and in no representation, so that what older runs were named by stays the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_later(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        return {
            key: value
            for key, value in values.items()
            if not self._is_unset_later(key, getattr(self, key))
        }

    def __repr_args__(self) -> Any:
        for key, value in super().__repr_args__():
            if not self._is_unset_later(key, value):
                yield key, value

    def _is_unset_later(self, key: str | None, value: Any) -> bool:
        return key in self.later and value == type(self).model_fields[str(key)].default


T = TypeVar("T", bound=Settings)


def validate(model: type[T], values: Any, source: str) -> T:
    """Checks raw values against a configuration model.

    Args:
        model: The configuration class.
        values: What a YAML file or the command line holds.
        source: Where the values come from, for the message.

    Raises:
        UserError: One sentence that names the first wrong key, and the nearest known one.
    """
    if not isinstance(values, dict):
        raise UserError(f"{source}: expected keys and values, found {type(values).__name__}.")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {_first_problem(model, error)}") from error


def read_yaml(path: Path) -> Any:
    """Reads a YAML file.

    Raises:
        UserError: If the file is missing or is not YAML.
    """
    try:
        return yaml.safe_load(read_text(path))
    except RecursionError as error:
        raise UserError(f"{path}: it is nested too deep to be a configuration.") from error
    # YAML raises ValueError for a date such as 2024-13-45, and others for what no parser expects.
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a YAML file ({reason}).") from error


def read_values(path: Path | None) -> dict[str, Any]:
    """The keys and values of a YAML file; an empty file has none, and neither has None.

    Raises:
        UserError: If the file cannot be read, or holds something else.
    """
    values = {} if path is None else read_yaml(path) or {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected keys and values, found {type(values).__name__}.")
    return values


def overridden(values: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with some replaced.

    Args:
        values: Keys and values, nested; left as they are.
        overrides: Values by dotted key, for example ``{"space.options.cells": 2}``.

    Raises:
        UserError: If a key leads through something that is no section.
    """
    result = copy.deepcopy(values)
    for key, value in overrides.items():
        *sections, last = key.split(".")
        inner = result
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                raise UserError(f"{key!r} cannot be set: {section!r} holds a value, not keys.")
        inner[last] = copy.deepcopy(value)
    return result


def _first_problem(model: type[Settings], error: ValidationError) -> str:
    problems = error.errors()
    # A misspelt key is also a missing one, and the spelling is what helps.
    misspelt = (problem for problem in problems if problem["type"] == "extra_forbidden")
    problem = next(misspelt, problems[0])
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] in ("tuple_type", "list_type"):
        items = _item_keys(model, problem["loc"])
        return sentence(f"{where}: expected a list{items}, found {_called(problem['input'])}")
    if problem["type"] != "extra_forbidden":
        message = problem["msg"].removeprefix("Value error, ")
        return sentence(f"{where}: {message}" if where else message)
    known = _known_keys(model, problem["loc"][:-1])
    nearest = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys: {', '.join(known)}."
    return f"unknown key {where!r}; {hint}"


def _item_keys(model: type[Settings], location: tuple[int | str, ...]) -> str:
    """What the items of a list are, as the end of a clause; empty where they have no keys."""
    field = _section(model, location[:-1]).model_fields.get(str(location[-1]))
    item = _settings_within(field.annotation) if field else None
    return f" of items with the keys {', '.join(sorted(item.model_fields))}" if item else ""


def _called(value: Any) -> str:
    return "keys and values" if isinstance(value, dict) else repr(value)


def _known_keys(model: type[Settings], location: tuple[int | str, ...]) -> list[str]:
    return sorted(_section(model, location).model_fields)


def _section(model: type[Settings], location: tuple[int | str, ...]) -> type[Settings]:
    """The model of the section at a location, or of the last section on the way there."""
    for part in location:
        field = model.model_fields.get(str(part))
        inner = _settings_within(field.annotation) if field else None
        model = inner or model
    return model


def _settings_within(annotation: Any) -> type[Settings] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, Settings) else None
    for argument in getattr(annotation, "__args__", ()):
        found = _settings_within(argument)
        if found:
            return found
    return None
