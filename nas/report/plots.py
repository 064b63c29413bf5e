"""The pictures of one or several runs, and their data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.errors import UserError
from nas.pareto.candidates import Series
from nas.pareto.figures import save
from nas.pareto.objectives import Objective
from nas.pareto.plot_comparison import plot_comparison
from nas.pareto.plot_front import plot_front
from nas.pareto.plot_iterations import plot_iterations
from nas.pareto.table import candidate_rows, write_csv
from nas.report.runs import QUALITY, Reading

FORMATS = ("png", "svg", "pdf")


def save_front(
    searches: Sequence[Series], reading: Reading, folder: Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Draws the front and the course of the search, and writes the data beside them.

    Returns:
        The paths, the front's first.

    Raises:
        UserError: If the folder cannot be made.
    """
    quality, cost = reading.objectives
    front = plot_front(searches, cost, quality)
    course = plot_iterations(searches, _course(searches, cost))
    _make(folder)
    return [
        *save(front, folder / f"front-{cost.name}", formats),
        *save(course, folder / f"iterations-{cost.name}", formats),
        _save_data(searches, reading, folder / f"candidates-{cost.name}.csv"),
    ]


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


def _course(searches: Sequence[Series], cost: Objective) -> list[Objective]:
    quantities = [QUALITY, cost]
    same = all(c.values["reward"] == c.values["quality"] for s in searches for c in s.candidates)
    # Without a penalty the reward is the quality, and a second panel of it says nothing.
    return quantities if same else [Objective("reward", "maximise"), *quantities]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot make a folder for plots ({error.strerror}).") from error


def _save_data(searches: Sequence[Series], reading: Reading, path: Path) -> Path:
    return write_csv(path, candidate_rows(searches, reading.objectives))
