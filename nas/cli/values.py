"""Values that are typed on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nas.api.folders import RUNS
from nas.errors import UserError
from nas.nested import flattened
from nas.settings import overridden


def assignments(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Reads ``key=value`` pairs; values are YAML, so numbers and lists are what they look like.

    Args:
        texts: The pairs.
        option: Where they were given, for the message.

    Raises:
        UserError: If a text has no key, or its value is not YAML.
    """
    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{option} {text!r}: expected KEY=VALUE, for example trials=50.")
        try:
            values[key.strip()] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise UserError(f"{option} {text!r}: the value is not YAML.") from error
    return values


def swept(texts: Iterable[str]) -> dict[str, str]:
    """Reads ``KEY=VALUES`` of ``--sweep``; the values are read by `nas.sweeping.ranges`.

    Args:
        texts: The pairs.

    Raises:
        UserError: If a text has no key or no values, or a key comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, _, values = (part.strip() for part in text.partition("="))
        if not key or not values:
            raise UserError(
                f"--sweep {text!r}: expected KEY=VALUES, for example distill.weight=0.1:0.9:0.1."
            )
        if key in found:
            raise UserError(f"--sweep {key} is given twice; list all its values in one.")
        found[key] = values
    return found


def with_assigned(typed: Mapping[str, Any], assigned: Mapping[str, Any]) -> dict[str, Any]:
    """Values of options together with those of ``--set``, in the order to apply them.

    Args:
        typed: Values by dotted key.
        assigned: What `assignments` read.

    Raises:
        UserError: If the two say different things for the same key.
    """
    single = flattened(assigned)
    for key in typed.keys() & single.keys():
        if typed[key] != single[key]:
            raise UserError(
                f"--set {key}={single[key]} contradicts the option for it, which says "
                f"{typed[key]}; leave one of them out."
            )
    # A section replaces what is there, so it goes before what belongs into it.
    return dict(sorted({**typed, **assigned}.items(), key=lambda pair: pair[0].count(".")))


def image_size(text: str, option: str) -> tuple[int, int]:
    """Height and width in pixels, typed as HEIGHTxWIDTH.

    Args:
        text: What was typed.
        option: Where, for the message.

    Raises:
        UserError: If it is something else.
    """
    height, cross, width = text.partition("x")
    if not (cross and height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise UserError(f"{option} {text!r}: expected HEIGHTxWIDTH, for example 128x128.")
    return int(height), int(width)


def task_options(texts: Iterable[str], task: str | None) -> dict[str, Any]:
    """Options of a task from ``task_options.KEY=VALUE``.

    Args:
        texts: What was given with ``--set``.
        task: The task that was named; without one there is nothing to set.

    Raises:
        UserError: If another setting is named, or no task.
    """
    values = overridden({}, assignments(texts))
    options = values.pop("task_options", {})
    if values:
        raise UserError(f"--set {next(iter(values))}: only task_options can be set here.")
    if options and task is None:
        raise UserError("--set task_options belongs to --task; give that too.")
    return dict(options)


def names_in(text: str | None, option: str) -> list[str] | None:
    """Names that are divided by commas; None where nothing was typed.

    Args:
        text: What was typed.
        option: Where, for the message.

    Raises:
        UserError: If a name is empty.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UserError(f"{option} {text!r}: expected names divided by commas.")
    return names


def one_of(names: Sequence[str]) -> str:
    """Names as a sentence lists them, for example "cpu, cuda or mps"."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were typed."""
    return {key: value for key, value in options.items() if value is not None}


def latest_run() -> Path:
    """The run folder under ``runs/`` that was started last.

    Raises:
        UserError: If there is none.
    """
    found = list(RUNS.glob("*/run.json")) if RUNS.is_dir() else []
    if not found:
        raise UserError(f"no run in {RUNS}/; start one with nas search, or name its folder.")
    return max(found, key=lambda path: path.stat().st_mtime).parent


def chosen_run(run: Path | None) -> Path:
    """The run that was named, or the latest."""
    return run if run is not None else latest_run()
