"""``nas pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.api.folders import default_run
from nas.cli.values import assignments, given, image_size, with_assigned


def pretrain(
    run: Annotated[
        Path | None, typer.Option(help="Folder for the weights; default: runs/pretrained.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of images; labels are not needed.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH that these are resized to; default: 128x128.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Task whose training images are taken, without --images."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the task's images.")] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="timm backbone; repeat for several. Default: those of the space small."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="timm backbone to learn from; default: resnet50.")
    ] = None,
    teacher_weights: Annotated[
        str | None, typer.Option(help="imagenet or a file; default: imagenet.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE, for example batch_size=16.")
    ] = None,
) -> None:
    """Teach small encoders the maps of a large backbone; an interrupted training is resumed."""
    from nas.api.pretraining import run_pretraining
    from nas.report.experiments import pretraining_table
    from nas.terminal import plain_console, say

    values = given(
        {
            "images": str(images) if images else None,
            "size": list(image_size(size, "--size")) if size else None,
            "task": task,
            "data": str(data) if data else None,
            "encoders": encoder,
            "teacher.name": teacher,
            "teacher.weights": teacher_weights,
            "epochs": epochs,
            "seed": seed,
            "device": device,
        }
    )
    values = with_assigned(values, assignments(settings or ()))
    found = run_pretraining(values, run or default_run("pretrained"))
    plain_console().print(pretraining_table(found))
    say(f"weights for --encoder-weights: {found.path}")
