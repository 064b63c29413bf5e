"""What ``nas train`` and ``nas distill`` do once their options are read."""

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


def run_distillation(request: Request) -> None:
    """Trains a student of whatever kind the task is, and prints what came out."""
    import nas.tasks

    values = _merged(request)
    options = values.get("task_options") or {}
    if not isinstance(options, dict):
        raise UserError(f"task_options: must be a mapping, not {options!r}.")
    task = nas.tasks.load(str(values["task"]), values.get("data"), **options)
    if isinstance(task, nas.tasks.ClassificationTask):
        run_classification(request)
        return
    from rich.console import Console

    from nas.cli.epochs import EpochProgress
    from nas.experiments.segmentation import SegmentationConfig, distill_segmentation
    from nas.report.tables import teacher_table

    assert isinstance(task, nas.tasks.SegmentationTask)
    config = validate(SegmentationConfig, values, _source(request))
    with EpochProgress() as progress:
        report = distill_segmentation(config, task, request.run, progress.show)
    Console().print(teacher_table(report))
    print(f"run: {request.run}")


def run_classification(request: Request) -> None:
    """Trains a classifier over its seeds, and prints what came out."""
    from rich.console import Console

    from nas.cli.epochs import EpochProgress
    from nas.experiments.config import ExperimentConfig
    from nas.experiments.run import run_experiment
    from nas.report.experiments import summary_table

    config = validate(ExperimentConfig, _merged(request), _source(request))
    with EpochProgress() as progress:
        summary = run_experiment(config, request.run, on_epoch=progress.show, say=progress.say)
    Console().print(summary_table(summary))
    print(f"run: {request.run}")


def _merged(request: Request) -> dict[str, Any]:
    """What the file says, with what was typed in its place."""
    base = (read_yaml(request.config) or {}) if request.config else {}
    if not isinstance(base, dict):
        raise UserError(f"{request.config}: expected keys and values, found {type(base).__name__}.")
    values = overridden(base, request.values)
    for key, sentence in request.needed.items():
        if values.get(key) is None:
            raise UserError(sentence)
    return values


def _source(request: Request) -> str:
    return str(request.config) if request.config else "settings"
