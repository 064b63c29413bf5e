"""One page about one or several searches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import UserError

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from nas.report.page.contents import Shown

FILE = "report.html"


def write_report(
    runs: Sequence[Path],
    path: Path | None = None,
    *,
    cost: str | None = None,
    networks: bool = True,
    data: Path | None = None,
) -> Path:
    """Writes a page about searches: one HTML file that needs no network and no server.

    It shows the front, the course of the search, every candidate with its scores by class and its
    drawing, the distributions of rewards and costs, how early scores agree with later ones, and,
    where a candidate was retrained, its predictions and where its time goes.

    Args:
        runs: The folder of a run, or several to compare.
        path: The file; ``report.html`` in the first run unless given.
        cost: The cost that the page opens with; the first penalised one, or flops, unless given.
        networks: Whether retrained networks are run for their predictions and layers.
        data: Folder of the images, if they have moved.

    Returns:
        The file.

    Raises:
        UserError: If a run cannot be read, a run is given twice, or the file cannot be written.
    """
    from nas.report.page.contents import contents
    from nas.report.page.document import document, write_page

    _check(runs)
    target = path if path is not None else _inside(runs[0])
    values = contents([_shown(run, networks, data) for run in runs], cost)
    write_page(target, document(_title(runs), values))
    return target


def watching(runs: Sequence[Path], cost: str | None = None, port: int = 0) -> ThreadingHTTPServer:
    """A server of the same page, which follows the searches while they run.

    Raises:
        UserError: If a run cannot be read, a run is given twice, or the port cannot be used.
    """
    from nas.report.page.contents import contents
    from nas.report.page.document import document
    from nas.report.page.server import VALUES, make_server

    _check(runs)

    def values() -> str:
        found = contents([_shown(run, networks=False) for run in runs], cost)
        return json.dumps(found, ensure_ascii=False, allow_nan=False)

    # What cannot be read is told before a page is opened.
    values()
    return make_server(document(_title(runs), None, VALUES), values, port)


def _check(runs: Sequence[Path]) -> None:
    places = [run.resolve() for run in runs]
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{run}: the run is given twice; name each run once.")


def _shown(run: Path, networks: bool, data: Path | None = None) -> Shown:
    from nas.report.page.contents import Networks, Shown
    from nas.report.runs import read_snapshot
    from nas.searching.run_folder import RunFolder

    folder = RunFolder.open(run)
    told = Networks()
    if networks:
        from nas.deployment.showing import networks_of

        told = networks_of(folder, data)
    return Shown(folder, read_snapshot(folder), told)


def _inside(run: Path) -> Path:
    target = run / FILE
    if target.is_symlink():
        raise UserError(f"{target}: this is a link; name a file for the page with --output.")
    return target


def _title(runs: Sequence[Path]) -> str:
    return ", ".join(run.resolve().name for run in runs)
