"""Where runs go that are given no folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.searching.config import SearchConfig

RUNS = Path("runs")
"""The folder of all such runs."""


def default_run(name: str) -> Path:
    """The folder of a run that is named after its networks, some of which have slashes."""
    return RUNS / name.replace("/", "-")


def default_search(config: SearchConfig) -> Path:
    """The folder of a new search: its task or table, and the time."""
    return RUNS / f"{_source(config)}-{time.strftime('%Y%m%d-%H%M%S')}"


def _source(config: SearchConfig) -> str:
    """What a run is named after: its task or its table."""
    from nas.objects import is_object

    values = config.model_dump()
    source = str(values.get("task") or values["table"])
    if is_object(source):
        return source.partition(":")[2]
    return Path(source).resolve().stem if Path(source).exists() else source.replace("/", "-")
