"""``nas evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.errors import UserError


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder made by nas train or nas distill.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "validation",
    tta: Annotated[
        bool, typer.Option("--tta", help="Also score with test-time augmentation.")
    ] = False,
    views: Annotated[
        str | None,
        typer.Option(help="Views for --tta: flip, or ten_crop (classifiers only, their default)."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images, if they moved.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
) -> None:
    """Score the networks of a training run, averaged over seeds."""
    if views is not None and not tta:
        raise UserError("--views belongs to --tta; give both.")
    from rich.console import Console

    from nas.api.trainings import evaluate as scored
    from nas.report.experiments import evaluation_table

    found = scored(run, split, tta=tta, views=views, data=data, device=device)
    Console().print(evaluation_table(found))
