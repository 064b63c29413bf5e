"""What ``nas train`` and ``nas distill`` do once their options are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.nested import flattened
from nas.settings import overridden, read_values


def run(
    values: Mapping[str, Any],
    folder: Path,
    needed: Mapping[str, str],
    config: Path | None = None,
) -> None:
    """Trains a network over its seeds, and prints what came out.

    Args:
        values: Settings of the experiment by dotted key.
        folder: Of the run.
        needed: What is said where a setting is missing, by its dotted key.
        config: A YAML file with further settings, or None.

    Raises:
        UserError: If a setting is missing or wrong.
    """
    from rich.console import Console

    from nas.api.trainings import run_experiment
    from nas.report.experiments import summary_table

    merged = flattened(overridden(read_values(config), values))
    for key, sentence in needed.items():
        if merged.get(key) is None:
            raise UserError(sentence)
    found = run_experiment(values, folder, config=config)
    Console().print(summary_table(found.summary))
    print(f"run: {folder}")
