"""``nas ensemble``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.values import task_options


def ensemble(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders made by nas train or nas distill, two or more.")
    ],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "validation",
    weights: Annotated[
        str,
        typer.Option(
            help="equal (the sum of logits), or learned: weights that fit the validation images."
        ),
    ] = "equal",
    task: Annotated[
        str | None,
        typer.Option(
            help="Other data than those of the first run: built-in task, folder or YAML file."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, if they moved; with --task, of its images."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE with --task, for example task_options.seed=1."),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="95 % intervals by the bootstrap (anti-spoofing).")
    ] = False,
    table: Annotated[
        Path | None, typer.Option(help="Also write the table to a .csv or .md file.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
) -> None:
    """Score several runs as one: their logits are added, seed by seed."""
    from nas.api.trainings import ensemble as scored
    from nas.report.experiment_files import check_table, evaluation_rows, write_table
    from nas.report.experiments import ensemble_tables
    from nas.terminal import plain_console

    if table is not None:
        check_table(table)
    found = scored(
        runs,
        split,
        weights=weights,
        task=task,
        data=data,
        task_options=task_options(settings or (), task),
        intervals=intervals,
        device=device,
    )
    for shown in ensemble_tables(found):
        plain_console().print(shown)
    if table is not None:
        write_table(evaluation_rows(found.evaluation), table)
