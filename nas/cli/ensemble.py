"""``nas ensemble``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.scoring_options import Data, Device, Intervals, OtherTask, Split, Table, TaskOptions
from nas.cli.values import task_options


def ensemble(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders made by nas train or nas distill, two or more.")
    ],
    split: Split = "validation",
    weights: Annotated[
        str,
        typer.Option(
            help="equal (the sum of logits), or learned: weights that fit the validation images."
        ),
    ] = "equal",
    task: OtherTask = None,
    data: Data = None,
    settings: TaskOptions = None,
    intervals: Intervals = False,
    table: Table = None,
    device: Device = "auto",
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
