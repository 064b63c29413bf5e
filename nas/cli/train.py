"""``nas train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.values import assignments, given
from nas.errors import UserError


def train(
    run: Annotated[Path, typer.Option(help="Folder for the teacher.")],
    task: Annotated[
        str, typer.Option(help="Built-in task, a folder with task.yaml, or a YAML file.")
    ] = "faces",
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    model: Annotated[str | None, typer.Option(help="timm backbone.")] = None,
    weights: Annotated[str | None, typer.Option(help="imagenet, none or a file.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE of the teacher, for example training.batch_size=16, or task_options.",
        ),
    ] = None,
) -> None:
    """Train a teacher, to be given to nas search --teacher; a cut-off training goes on."""
    from rich.console import Console

    import nas.tasks
    from nas.cli.epochs import EpochProgress
    from nas.evaluation.teacher_run import train_teacher_run
    from nas.report.tables import teacher_table

    values = given(
        {"encoder.name": model, "encoder.weights": weights, "training.epochs": epochs}
    ) | assignments(settings or ())
    loaded = nas.tasks.load(task, data=data, **_task_options(values))
    with EpochProgress() as progress:
        report = train_teacher_run(loaded, run, values, seed, device, progress.show)
    Console().print(teacher_table(report))
    print(f"teacher: {run}")


def _task_options(values: dict[str, Any]) -> dict[str, Any]:
    """Takes out what is meant for the task, so that a search's own --set fits here too."""
    options = values.pop("task_options", None) or {}
    if not isinstance(options, dict):
        raise UserError(f"task_options: must be a mapping, not {options!r}.")
    prefix = "task_options."
    dotted = [key for key in values if key.startswith(prefix)]
    return options | {key.removeprefix(prefix): values.pop(key) for key in dotted}
