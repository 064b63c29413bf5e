"""``nas trust``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.values import assignments, chosen_run


def trust(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest.")] = None,
    candidates: Annotated[
        int, typer.Option(help="Candidates to train in full, spread over all qualities.")
    ] = 12,
    seeds: Annotated[int, typer.Option(help="Full trainings of each candidate.")] = 2,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of a training; default: as nas retrain.")
    ] = None,
    distillation: Annotated[
        bool | None,
        typer.Option(
            "--distillation/--no-distillation",
            help="Also learn from the teacher; default: as in the search.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images, if they moved.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for the training, for example batch_size=16."),
    ] = None,
) -> None:
    """Train some candidates in full and tell how far the search's scores can be trusted."""
    from nas.api.searches import open as opened
    from nas.report.trust import trust_table
    from nas.terminal import plain_console

    found = opened(chosen_run(run)).trust(
        candidates,
        seeds=seeds,
        epochs=epochs,
        teacher=distillation,
        data=data,
        device=device,
        config=assignments(settings or ()),
    )
    plain_console().print(trust_table(found))
