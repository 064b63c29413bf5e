"""``nas evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.values import names_in
from nas.errors import UserError


def evaluate(
    run: Annotated[
        Path, typer.Argument(help="Folder made by nas train, nas distill or nas mutual.")
    ],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "validation",
    tta: Annotated[
        bool, typer.Option("--tta", help="Also score with test-time augmentation.")
    ] = False,
    views: Annotated[
        str | None,
        typer.Option(help="Views for --tta: flip, or ten_crop (classifiers only, their default)."),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option(help="Inputs to take away, for example depth,ir; repeat it for several rows."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images, if they moved.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
) -> None:
    """Score the networks of a training run, averaged over seeds."""
    if views is not None and not tta:
        raise UserError("--views belongs to --tta; give both.")
    from rich.console import Console

    from nas.mutual_learning.run import CONFIG

    if (run / CONFIG).is_file():
        if tta:
            raise UserError(f"{run}: --tta is for runs of nas train and nas distill; leave it out.")
        _evaluate_paths(run, split, data, device)
        return
    from nas.api.trainings import evaluate as scored
    from nas.report.experiments import evaluation_table

    patterns = [names_in(names, "--missing") or [] for names in missing or ()]
    found = scored(run, split, tta=tta, views=views, data=data, missing=patterns, device=device)
    Console().print(evaluation_table(found))


def _evaluate_paths(run: Path, split: str, data: Path | None, device: str) -> None:
    from rich.console import Console

    from nas.mutual_learning.run import evaluate_mutual
    from nas.report.mutual import ensembles_table, paths_table

    summary = evaluate_mutual(run, split, device, str(data) if data else None)
    console = Console()
    console.print(paths_table(summary))
    console.print(ensembles_table(summary))
