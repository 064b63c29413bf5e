"""``nas worker``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.errors import UserError
from nas.terminal import say


def worker(
    run: Annotated[Path, typer.Argument(help="Run folder; created if --storage is given.")],
    index: Annotated[int, typer.Option(help="Number of this worker on its machine.", min=0)] = 0,
    storage: Annotated[
        str | None, typer.Option(help="Database URL of a search that another machine started.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(help="Name of the study in --storage; default: the run folder's name."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the images on this machine, if elsewhere.")
    ] = None,
) -> None:
    """Join a search from another process or machine until it is complete."""
    from nas import allowed
    from nas.searching.assembly import standard
    from nas.searching.databases import without_password
    from nas.searching.run_folder import RunFolder
    from nas.searching.study import join_study, require_allowed
    from nas.searching.worker import run_worker

    if storage is None:
        if study is not None:
            raise UserError("--study needs the --storage that holds it.")
        folder = RunFolder.open(run)
        require_allowed(folder, folder.config().storage)
    elif run.exists():
        folder = RunFolder.open(run)
        if folder.config().storage != storage:
            raise UserError(f"--storage {without_password(storage)}: the run has another one.")
        allowed.allow([without_password(storage)])
    else:
        folder = join_study(run, storage, study or run.name)
    run_worker(folder, index, standard, data=data)
    say(f"the search of {folder.path} is complete.")
