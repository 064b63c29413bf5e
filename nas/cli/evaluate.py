"""``nas evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.values import names_in
from nas.errors import UserError


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of nas train or nas distill.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "validation",
    tta: Annotated[
        bool, typer.Option("--tta", help="Score with test-time augmentation too.")
    ] = False,
    views: Annotated[
        str | None,
        typer.Option(
            help="Its views: flip, or for classifiers ten_crop, which is then the default."
        ),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option(help="Inputs to take away, for example depth,ir; repeat it for several rows."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images, if they moved.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
) -> None:
    """Score the networks of a run: the figures of its kind of task, over its seeds."""
    if views is not None and not tta:
        raise UserError("--views belongs to --tta; give both.")
    from rich.console import Console

    from nas.experiments.evaluation import evaluate_run
    from nas.report.experiments import evaluation_table

    evaluation = evaluate_run(
        run,
        split,
        ("none", views) if tta else ("none",),  # type: ignore[arg-type]
        device,
        str(data) if data else None,
        [names_in(names, "--missing") or [] for names in missing or ()],
    )
    Console().print(evaluation_table(evaluation))
