"""The results of benchmarks as files: data, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nas.benchmarking.summary import Curves, Repetition, Summary
from nas.errors import UserError
from nas.evaluation.table import Table
from nas.files import write_json
from nas.pareto import figures
from nas.pareto.table import write_csv

DATA_FORMATS = (".csv", ".json")
PICTURE_FORMATS = (".png", ".svg", ".pdf")

_PANEL_INCHES = 2.3
_MARGIN = 0.05


def check_path(path: Path, formats: Sequence[str]) -> None:
    """Refuses a file that could not be written, before the benchmark runs.

    Raises:
        UserError: If its ending is unknown, or its folder does not exist.
    """
    if path.suffix not in formats:
        raise UserError(f"{path}: the file must end in {' or '.join(formats)}.")
    if not path.parent.is_dir():
        raise UserError(f"{path}: no folder {path.parent}; make it first.")


def save_data(path: Path, summaries: Sequence[Summary]) -> None:
    """Writes every repetition, as CSV or JSON; JSON also holds the mean curves."""
    rows = [_row(summary, one) for summary in summaries for one in summary.repetitions]
    if path.suffix == ".csv":
        write_csv(path, rows)
        return
    curves = [_names(summary) | _curves(summary.curves) for summary in summaries]
    write_json(path, {"repetitions": rows, "curves": curves})


def save_plot(path: Path, summaries: Sequence[Summary], table: Table) -> None:
    """Draws the mean test accuracy of the best candidate so far, and the mean hypervolume.

    Where the table has no test accuracies, validation accuracies are drawn.
    """
    datasets = list(dict.fromkeys(summary.contender.dataset for summary in summaries))
    names = list(dict.fromkeys(summary.contender.name for summary in summaries))
    rows = 2 if summaries[0].curves.share is not None else 1
    with figures.paper_style():
        figure = figures.new_figure(0.8 + _PANEL_INCHES * rows * len(datasets))
        panels = figure.subplots(rows * len(datasets), 1, sharex=True, squeeze=False)[:, 0]
        for dataset, group in zip(datasets, panels.reshape(-1, rows), strict=True):
            own = [summary.curves for summary in summaries if summary.contender.dataset == dataset]
            _draw_best(group[0], own, dataset, table)
            shares = [curves.share for curves in own if curves.share is not None]
            if shares:
                _draw(group[1], shares, f"{dataset}: hypervolume")
        panels[-1].set_xlabel("Evaluations")
        handles = [figures.handle(**_style(index)) for index in range(len(names))]
        figures.add_legend(figure, handles, [figures.shown(name) for name in names])
    figures.save(figure, path.with_suffix(""), (path.suffix.removeprefix("."),))


def _draw_best(axes: Axes, searches: Sequence[Curves], dataset: str, table: Table) -> None:
    test = table.scores(dataset).test
    lines = [curves.validation if curves.test is None else curves.test for curves in searches]
    _draw(axes, lines, f"{dataset}: {'test' if test else 'validation'} (%)")
    if test:
        best = float(test[max(test)].max())
        axes.axhline(best, color=figures.NEUTRAL, linewidth=0.8)
        axes.set_ylim(top=best + _MARGIN * (best - axes.get_ylim()[0]))


def _draw(axes: Axes, lines: Sequence[NDArray[np.float64]], label: str) -> None:
    for index, line in enumerate(lines):
        axes.plot(np.arange(1, len(line) + 1), line, **_style(index))
    # The first evaluations are random in every search, and would hide the rest.
    bottom = min(float(line[len(line) // 10 :].min()) for line in lines)
    top = max(float(line.max()) for line in lines)
    if top > bottom:
        axes.set_ylim(bottom, top + _MARGIN * (top - bottom))
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _style(index: int) -> dict[str, Any]:
    return {
        "color": figures.PALETTE[index % len(figures.PALETTE)],
        "linestyle": figures.LINES[index % len(figures.LINES)],
    }


def _names(summary: Summary) -> dict[str, Any]:
    return {"controller": summary.contender.name, "dataset": summary.contender.dataset}


def _row(summary: Summary, repetition: Repetition) -> dict[str, Any]:
    values = asdict(repetition)
    shares = values.pop("shares")
    return (
        _names(summary)
        | values
        | {f"hypervolume_share_at_{evaluations}": share for evaluations, share in shares.items()}
    )


def _curves(curves: Curves) -> dict[str, Any]:
    return {
        name: None if values is None else values.tolist() for name, values in vars(curves).items()
    }
