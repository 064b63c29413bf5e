"""``nas evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.scoring_options import Data, Device, Intervals, OtherTask, Split, Table, TaskOptions
from nas.cli.values import names_in, task_options
from nas.errors import UserError


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(help="Folder made by nas train, distill, mutual or retrain."),
    ],
    split: Split = "validation",
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
    task: OtherTask = None,
    data: Data = None,
    settings: TaskOptions = None,
    best_by: Annotated[
        list[str] | None,
        typer.Option(help="Also score the weights that were best by a monitor of the training."),
    ] = None,
    intervals: Intervals = False,
    table: Table = None,
    device: Device = "auto",
) -> None:
    """Score one network, or those of a training run, averaged over seeds.

    Segmentation networks are scored at the images' own size too, where that is another one.
    """
    if views is not None and not tta:
        raise UserError("--views belongs to --tta; give both.")
    options = task_options(settings or (), task)
    from nas.mutual_learning.trained import CONFIG

    if (run / CONFIG).is_file():
        for option, given in (
            ("--tta", tta),
            ("--missing", missing),
            ("--task", task),
            ("--best-by", best_by),
            ("--intervals", intervals),
            ("--table", table),
        ):
            if given:
                raise UserError(
                    f"{run}: {option} is for runs of nas train and nas distill; leave it out."
                )
        _evaluate_paths(run, split, data, device)
        return
    from nas.api.trainings import evaluate as scored
    from nas.report.experiment_files import check_table, evaluation_rows, write_table
    from nas.report.experiments import evaluation_table
    from nas.terminal import plain_console

    if table is not None:
        check_table(table)
    patterns = [names_in(names, "--missing") or [] for names in missing or ()]
    found = scored(
        run,
        split,
        tta=tta,
        views=views,
        task=task,
        data=data,
        task_options=options,
        missing=patterns,
        best_by=best_by or (),
        intervals=intervals,
        device=device,
    )
    plain_console().print(evaluation_table(found))
    if table is not None:
        write_table(evaluation_rows(found), table)


def _evaluate_paths(run: Path, split: str, data: Path | None, device: str) -> None:
    from nas.mutual_learning.trained import evaluate_mutual
    from nas.report.mutual import ensembles_table, paths_table
    from nas.terminal import plain_console

    summary = evaluate_mutual(run, split, device, str(data) if data else None)
    console = plain_console()
    console.print(paths_table(summary))
    console.print(ensembles_table(summary))
