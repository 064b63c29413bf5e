"""The pictures of one or several runs, and their data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latency.costs import declared, heading
from nas.errors import UserError
from nas.files import DiskFullError, is_disk_full
from nas.pareto.candidates import Series
from nas.pareto.figures import save
from nas.pareto.objectives import Objective
from nas.pareto.plot_comparison import plot_comparison
from nas.pareto.plot_course import plot_course
from nas.pareto.plot_front import plot_front
from nas.pareto.plot_iterations import plot_iterations
from nas.pareto.plot_rungs import plot_rungs
from nas.pareto.table import candidate_rows, write_csv
from nas.report.courses import course_rows, courses
from nas.report.rungs import rung_panels, rung_rows, trust_panel
from nas.report.runs import QUALITY, Reading, Search

FORMATS = ("png", "svg", "pdf")


def save_plots(
    searches: Sequence[Search], reading: Reading, folder: Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Draws the front and the course of the search, and writes the data beside them.

    Where candidates were scored at several rungs, how well the early scores predict the later ones
    is drawn as well, and so is what ``nas trust`` has found.

    Returns:
        The paths, the front's first.

    Raises:
        UserError: If the folder cannot be made.
    """
    quality, cost = reading.objectives
    series = [search.series for search in searches]
    quantities = _quantities(series)
    limits = [search.limits[cost.name] for search in searches if cost.name in search.limits]
    pictures = {
        f"front-{cost.name}": plot_front(series, cost, quality, limits),
        f"iterations-{cost.name}": plot_iterations(series, [*quantities, cost]),
    }
    data = {f"candidates-{cost.name}": candidate_rows(series, reading.objectives)}
    found = courses(searches, [quantity.name for quantity in quantities], cost.name)
    pictures[f"course-{cost.name}"] = plot_course(found, {cost.name: _label(cost.name)})
    data[f"course-{cost.name}"] = course_rows(found)
    panels = rung_panels(searches)
    if panels:
        pictures["rungs"] = plot_rungs(panels)
        data["rungs"] = rung_rows(searches)
    judged = trust_panel(searches)
    if judged is not None:
        pictures["trust"] = plot_rungs([judged])
        data["trust"] = [
            {"search": search.series.name, **row}
            for search in searches
            for row in (search.trust.records() if search.trust else ())
        ]
    _make(folder)
    paths = [path for name in pictures for path in save(pictures[name], folder / name, formats)]
    return [*paths, *(write_csv(folder / f"{name}.csv", rows) for name, rows in data.items())]


def save_comparison(
    searches: Sequence[Series], reading: Reading, folder: Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Draws the fronts of several runs in one picture, and writes the data beside it.

    Raises:
        UserError: If the folder cannot be made.
    """
    quality, cost = reading.objectives
    picture = plot_comparison(searches, cost, quality)
    _make(folder)
    return [
        *save(picture, folder / f"compare-{cost.name}", formats),
        _save_data(searches, reading, folder / f"compare-{cost.name}.csv"),
    ]


def _quantities(searches: Sequence[Series]) -> list[Objective]:
    same = all(c.values["reward"] == c.values["quality"] for s in searches for c in s.candidates)
    # Without a penalty the reward is the quality, and a second panel of it says nothing.
    return [QUALITY] if same else [Objective("reward", "maximise", "Reward"), QUALITY]


def _label(cost: str) -> str:
    known = declared(cost)
    return heading(cost) if known is None else known.label


def plots_of(run: Path) -> Path:
    """The folder for the plots of a run.

    Raises:
        UserError: If it is a link: a run that somebody else made could lead anywhere by it.
    """
    folder = run / "plots"
    if folder.is_symlink():
        raise UserError(f"{folder}: this is a link; name a folder for plots with --output.")
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(folder) from error
        raise UserError(f"{folder}: cannot make a folder for plots ({error.strerror}).") from error


def _save_data(searches: Sequence[Series], reading: Reading, path: Path) -> Path:
    return write_csv(path, candidate_rows(searches, reading.objectives))
