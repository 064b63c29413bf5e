"""``nas runs copy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Run folders.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Run folders."""


@app.command()
def copy(
    run: Annotated[Path, typer.Argument(help="Run folder; its search may be running.")],
    target: Annotated[Path, typer.Argument(help="Folder to make.")],
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Copy what can be computed again too.")
    ] = True,
) -> None:
    """Copy a run as a whole, with all trials that are finished by now."""
    from nas.searching.copying import copy_run
    from nas.searching.run_folder import RunFolder
    from nas.terminal import say

    say(f"run folder: {copy_run(RunFolder.open(run), target, cache).path}")
