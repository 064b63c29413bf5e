"""``nas runs list | show | copy | void | delete``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.api.folders import RUNS
from nas.cli.values import chosen_run
from nas.errors import UserError

app = typer.Typer(
    help="Runs of searches: list, show, copy, void results, delete.", no_args_is_help=True
)

Run = Annotated[Path, typer.Argument(help="Run folder.")]


@app.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(help="Folder that holds runs.")] = RUNS,
) -> None:
    """List the searches in a folder with their trials, best quality and size on disk."""
    from nas.report.run_list import run_list, runs_in
    from nas.terminal import plain_console

    plain_console().print(run_list(runs_in(folder)))


@app.command()
def show(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest.")] = None,
) -> None:
    """Show when and with what a run was made, its void results, and its size on disk."""
    from nas.report.run_list import run_facts
    from nas.searching.run_folder import RunFolder
    from nas.terminal import plain_console

    plain_console().print(run_facts(RunFolder.open(chosen_run(run))))


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


@app.command()
def void(
    run: Run,
    trial: Annotated[int, typer.Option(help="Number of a complete trial.")],
    reason: Annotated[str | None, typer.Option(help="Why its result is void.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="The result is valid again.")] = False,
) -> None:
    """Mark a result as void, so that fronts and --best leave it out."""
    from nas.searching.housekeeping import valid_again
    from nas.searching.housekeeping import void as mark
    from nas.searching.run_folder import RunFolder

    if undo == (reason is not None):
        raise UserError("give either --reason or --undo.")
    folder = RunFolder.open(run)
    if reason is not None:
        mark(folder, trial, reason)
    else:
        valid_again(folder, trial)


@app.command()
def delete(
    run: Run,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where trials are recorded as running.")
    ] = False,
) -> None:
    """Delete the folder of a run with all that it holds, retrained networks included."""
    from nas.searching.housekeeping import delete as remove
    from nas.searching.run_folder import RunFolder
    from nas.terminal import say

    folder = RunFolder.open(run)
    if not yes and not typer.confirm(f"Delete {run} and everything in it?"):
        raise UserError(f"{run}: not deleted.")
    stays = remove(folder, force=force)
    if stays is not None:
        say(stays)
