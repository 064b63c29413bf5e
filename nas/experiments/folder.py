"""The folder of a run, and the settings that it is tied to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from nas import allowed
from nas.errors import UserError
from nas.experiments.config import CONFIG, ExperimentConfig
from nas.files import write_text
from nas.settings import read_yaml, validate

_SHOWN = 3


def claim(folder: Path, config: ExperimentConfig) -> None:
    """Makes the folder of a run, or finds that it is this run's.

    Raises:
        UserError: If the folder holds anything else.
    """
    path = folder / CONFIG
    # Whoever trains has named what is in the settings.
    allowed.allow(allowed.code_in(config.identity()))
    # Where nothing is trained yet, the last attempt failed, and its settings may be corrected.
    if path.exists() and any(folder.glob("seed-*")):
        # Older runs saved relative paths; validated, they are what this configuration has.
        values = read_yaml(path)
        allowed.require(allowed.code_in(values), folder)
        known = validate(type(config), values, str(path))
        different = different_keys(known.identity(), config.identity())
        if different:
            raise UserError(
                f"{folder}: it holds a run of other settings ({different}); choose another folder."
            )
        return
    if folder.exists() and (not folder.is_dir() or set(folder.iterdir()) - {path}):
        raise UserError(f"{folder}: the folder is in use; choose another one.")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, yaml.safe_dump(config.identity(), sort_keys=False))


def different_keys(found: Any, wanted: Any) -> str:
    """The first keys at which nested values differ, as a list in a sentence; empty if none do."""
    return _listed(_different(found, wanted))


def _different(found: Any, wanted: Any, key: str = "") -> list[str]:
    """The keys at which nested values differ."""
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return [] if found == wanted else [key or "all"]
    return [
        inner
        for name in dict.fromkeys([*wanted, *found])
        for inner in _different(found.get(name), wanted.get(name), f"{key}.{name}".lstrip("."))
    ]


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
