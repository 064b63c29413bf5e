"""What ``nas train`` and ``nas distill`` share for classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.settings import overridden, read_yaml, validate


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line.

    Attributes:
        values: Settings of the experiment by dotted key.
        run: Its folder.
        config: A YAML file with further settings, or None.
        needed: What is said where a setting is missing, by its key.
    """

    values: Mapping[str, Any]
    run: Path
    config: Path | None = None
    needed: Mapping[str, str] = field(default_factory=dict)


def run_classification(request: Request) -> None:
    """Trains, and prints what came out."""
    from rich.console import Console

    from nas.cli.epochs import EpochProgress
    from nas.experiments.config import ExperimentConfig
    from nas.experiments.run import run_experiment
    from nas.report.experiments import summary_table

    base = (read_yaml(request.config) or {}) if request.config else {}
    values = overridden(base, request.values) if isinstance(base, dict) else base
    for key, sentence in request.needed.items():
        if isinstance(values, dict) and values.get(key) is None:
            raise UserError(sentence)
    source = str(request.config) if request.config else "settings"
    config = validate(ExperimentConfig, values, source)
    with EpochProgress() as progress:
        summary = run_experiment(config, request.run, on_epoch=progress.show, say=progress.say)
    Console().print(summary_table(summary))
    print(f"run: {request.run}")
