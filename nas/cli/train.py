"""``nas train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.values import assignments, default_run, given, with_assigned
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.tasks import SegmentationTask


def train(
    run: Annotated[
        Path | None, typer.Option(help="Folder for the network; runs/MODEL unless given.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="Built-in task, a folder of images, or a task's YAML file.")
    ] = "faces",
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    model: Annotated[
        str | None, typer.Option(help="timm network; the backbone, for segmentation.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="imagenet, none or a file.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of weights, order and augmentation; 0 unless given.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="How many trainings, 1 unless given; classification only.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="KEY=VALUE, for example training.batch_size=16 or task_options.size=64."
        ),
    ] = None,
) -> None:
    """Train a network, such as a teacher; a training that was cut off goes on."""
    import nas.tasks
    from nas.cli.experiments import Request, run_classification

    values = assignments(settings or ())
    options = _task_options(values)
    loaded = nas.tasks.load(task, data=data, **options)
    if isinstance(loaded, nas.tasks.ClassificationTask):
        run_classification(
            Request(
                with_assigned(
                    given(
                        {
                            "task": task,
                            "data": str(data) if data else None,
                            "task_options": options,
                            "model.name": model,
                            "model.weights": weights,
                            "training.epochs": epochs,
                            "seed": seed,
                            "seeds": seeds,
                            "device": device,
                        }
                    ),
                    values,
                ),
                run or default_run(str(model or values.get("model.name", "network"))),
                needed={
                    "model": "--model is missing; name a network, for example --model resnet18."
                },
            )
        )
        return
    if seeds is not None:
        raise UserError(
            f"--seeds: task {loaded.name!r} is one of segmentation, which trains one teacher; "
            "give --seed."
        )
    typed = {"encoder.name": model, "encoder.weights": weights, "training.epochs": epochs}
    values = with_assigned(given(typed), values)
    assert isinstance(loaded, nas.tasks.SegmentationTask)
    folder = run or default_run(model or "teacher")
    _train_segmentation(loaded, folder, values, seed or 0, device or "auto")


def _train_segmentation(
    task: SegmentationTask, run: Path, values: dict[str, Any], seed: int, device: str
) -> None:
    from rich.console import Console

    from nas.cli.epochs import EpochProgress
    from nas.evaluation.teacher_run import train_teacher_run
    from nas.report.tables import teacher_table

    with EpochProgress() as progress:
        report = train_teacher_run(task, run, values, seed, device, progress.show)
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
