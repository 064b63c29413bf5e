"""What ``nas train`` and ``nas distill`` do once their options are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.settings import overridden, read_yaml, validate


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
        needed: What is said where a setting is missing, by its key.
        config: A YAML file with further settings, or None.

    Raises:
        UserError: If a setting is missing or wrong.
    """
    from rich.console import Console

    import nas.tasks
    from nas.experiments.config import experiment_config
    from nas.experiments.run import run_experiment
    from nas.report.experiments import summary_table
    from nas.report.progress import EpochProgress

    merged = _merged(values, config)
    for key, sentence in needed.items():
        if merged.get(key) is None:
            raise UserError(sentence)
    options = merged.get("task_options") or {}
    if not isinstance(options, dict):
        raise UserError(f"task_options: must be a mapping, not {options!r}.")
    task = nas.tasks.load(str(merged["task"]), merged.get("data"), **options)
    source = str(config) if config else "settings"
    settings = validate(experiment_config(task.kind), merged, source)
    with EpochProgress() as progress:
        summary = run_experiment(
            settings, folder, task=task, on_epoch=progress.show, say=progress.say
        )
    Console().print(summary_table(summary))
    print(f"run: {folder}")


def _merged(values: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    """What the file says, with what was typed in its place."""
    base = (read_yaml(config) or {}) if config else {}
    if not isinstance(base, dict):
        raise UserError(f"{config}: expected keys and values, found {type(base).__name__}.")
    return overridden(base, values)
