"""``nas report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.values import chosen_run
from nas.errors import UserError
from nas.terminal import say


def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run folders; default: the latest.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "--out", help="The HTML file; default: report.html in the run."),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(help="Cost to open with; default: the penalised cost, or flops."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out predictions and layers of networks.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the images, if they have moved.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Serve the page on this machine and follow the search.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port for --watch; default: any that is free.")] = 0,
) -> None:
    """Write one page about searches: front, course, every candidate, predictions.

    The file opens by double click and needs no network. With --watch, the page is served to this
    machine alone and follows searches while they run; predictions and layers are left out then.
    """
    from nas.api.reports import watching, write_report

    chosen = runs or [chosen_run(None)]
    if not watch:
        if port:
            raise UserError("--port belongs to --watch.")
        say(write_report(chosen, output, cost=cost, networks=not quick, data=data))
        return
    if output is not None or data is not None or quick:
        raise UserError(
            "--watch writes no file and runs no network; leave --output, --data and --quick out."
        )
    from nas.report.page.server import address

    with watching(chosen, cost, port) as server:
        say(f"{address(server)} follows the search; Ctrl-C ends it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("no longer served; the search is not touched.")
