"""The table and the picture of a sweep."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from nas.experiments.run import mean_and_spread
from nas.pareto import figures
from nas.report.experiment_files import figure_row, write_table
from nas.report.experiments import figure_name
from nas.sweeping.points import described
from nas.sweeping.run import SweepPoint, SweepSummary

TABLES = ("sweep.csv", "sweep.md")
_SHOWN = 3


def sweep_table(summary: SweepSummary) -> Table:
    """A row for each point with its first figures on the validation split."""
    count = len(summary.seeds)
    title = f"Validation, {summary.checkpoint}" + (f", {count} seeds" if count > 1 else "")
    table = Table(title=title, title_justify="left")
    for key in summary.keys:
        table.add_column(key)
    names = list(summary.trained[0].validation)[:_SHOWN]
    for name in names:
        table.add_column(figure_name(name), justify="right")
    for point in summary.points:
        cells = [str(value) for value in point.values.values()]
        told = [_cell(point.validation[name]) for name in names] if point.validation else []
        table.add_row(*cells, *(told or ["failed" if point.failure else "not trained"]))
    return table


def write_sweep(summary: SweepSummary, folder: Path) -> list[Path]:
    """Writes the tables and the picture of a sweep into its folder.

    Returns:
        The files.

    Raises:
        DiskFullError: If there is no room for them.
    """
    rows = [
        figure_row(point.name, key, values, summary.checkpoint)
        for point in summary.trained
        for key, values in point.validation.items()
    ]
    paths = [folder / name for name in TABLES]
    for path in paths:
        write_table(rows, path)
    return [*paths, *figures.save(plot_sweep(summary), folder / "plots" / "sweep", ("png",))]


def plot_sweep(summary: SweepSummary) -> Figure:
    """Draws the first figure over the first setting, with a line for the values of all others.

    The bars are one sample standard deviation over the seeds.
    """
    key = summary.keys[0]
    values = list(dict.fromkeys(_hashable(point.values[key]) for point in summary.trained))
    is_number = all(isinstance(value, int | float) and value is not True for value in values)
    with figures.paper_style():
        figure = figures.new_figure()
        axes = figure.subplots()
        lines = _lines(summary)
        for number, points in enumerate(lines.values()):
            found = [mean_and_spread(point.validation[summary.figure]) for point in points]
            places = [_hashable(point.values[key]) for point in points]
            axes.errorbar(
                places if is_number else [values.index(place) for place in places],
                [mean for mean, _ in found],
                yerr=[spread or 0.0 for _, spread in found],
                marker=figures.MARKERS[number % len(figures.MARKERS)],
                color=figures.PALETTE[number % len(figures.PALETTE)],
                linestyle=figures.LINES[number // len(figures.PALETTE) % len(figures.LINES)],
                markersize=4,
                capsize=2,
            )
        if not is_number:
            axes.set_xticks(range(len(values)), [figures.shown(str(value)) for value in values])
        axes.set_xlabel(figures.shown(key))
        axes.set_ylabel(f"{figure_name(summary.figure)} on validation")
        if len(lines) > 1:
            handles = [
                figures.handle(
                    color=figures.PALETTE[number % len(figures.PALETTE)],
                    marker=figures.MARKERS[number % len(figures.MARKERS)],
                )
                for number in range(len(lines))
            ]
            figures.add_legend(figure, handles, [figures.shown(name) for name in lines])
    return figure


def _lines(summary: SweepSummary) -> dict[str, list[SweepPoint]]:
    """The trained points by the values of all settings but the first."""
    key = summary.keys[0]

    def others(point: SweepPoint) -> str:
        return described({k: value for k, value in point.values.items() if k != key})

    ordered = sorted(summary.trained, key=others)
    return {name: list(points) for name, points in itertools.groupby(ordered, others)}


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)


def _cell(values: Sequence[float]) -> str:
    mean, spread = mean_and_spread(list(values))
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"
