"""Options that all commands have that score networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Split = Annotated[str, typer.Option(help="train, validation or test.")]
OtherTask = Annotated[
    str | None,
    typer.Option(
        help="Other data than those of the training: built-in task, folder or YAML file; "
        "thresholds are those of the training's validation images."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the images, if they moved; with --task, of its images."),
]
TaskOptions = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE with --task, for example task_options.seed=1."),
]
Intervals = Annotated[
    bool, typer.Option("--intervals", help="95 % intervals by the bootstrap (anti-spoofing).")
]
Table = Annotated[Path | None, typer.Option(help="Also write the table to a .csv or .md file.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]
