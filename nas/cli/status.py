"""``nas status``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.values import chosen_run


def status(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest.")] = None,
) -> None:
    """Show the trials of a search by state, its best results and the time per candidate."""
    from rich.console import Console

    from nas.report.runs import read_snapshot
    from nas.report.status import status as status_of
    from nas.report.status import status_table
    from nas.searching.run_folder import RunFolder

    folder = RunFolder.open(chosen_run(run))
    print(folder.path)
    Console().print(status_table(status_of(read_snapshot(folder))))
