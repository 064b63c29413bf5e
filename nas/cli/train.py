"""``nas train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.api.arguments import length
from nas.api.folders import default_run
from nas.cli.values import assignments, given, names_in, with_assigned

_NEEDED = {"model.name": "--model is missing; name a network, for example --model resnet18."}


def train(
    run: Annotated[
        Path | None, typer.Option(help="Folder for the network; default: runs/MODEL.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="Built-in task, a folder of images, or a task's YAML file.")
    ] = "faces",
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    model: Annotated[
        str | None, typer.Option(help="timm network; for segmentation, the backbone.")
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Inputs that the network takes, for example rgb,depth.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="imagenet, none or a file.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Train for about this long, for example 2h, in place of --epochs."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed of the first training; default: 0.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Number of trainings, each with its own seed; default: 1.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.")] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            help="Where to show it: tensorboard, mlflow, wandb, or an own one; repeat for several.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="KEY=VALUE, for example training.batch_size=16 or task_options.size=64."
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUES: train with every value of a setting, such as "
            "training.learning_rate=[0.01, 0.001]; repeat for combinations."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Local worker processes of a sweep; default: 1.")
    ] = None,
) -> None:
    """Train a network, such as a teacher; an interrupted training is resumed."""
    from nas.cli.experiments import run as run_experiment

    values = given(
        {
            "task": task,
            "data": str(data) if data else None,
            "model.name": model,
            "model.inputs": names_in(inputs, "--inputs"),
            "model.weights": weights,
            "seed": seed,
            "seeds": seeds,
            "device": device,
            "trackers": tracker,
        }
    ) | length(epochs, time)
    values = with_assigned(values, assignments(settings or ()))
    name = str(values.get("model.name", "network"))
    folder = run or default_run(f"{name}-sweep" if sweep else name)
    run_experiment(values, folder, _NEEDED, sweep=sweep or (), workers=workers)
