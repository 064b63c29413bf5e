"""The picture of several searches and their fronts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.pareto import figures
from nas.pareto.candidates import Series, check_searches, front_of, matrix
from nas.pareto.objectives import Objective
from nas.pareto.scales import scale_of


def plot_comparison(searches: Sequence[Series], x: Objective, y: Objective) -> Figure:
    """Draws the candidates and the front of each search, for example with and without a penalty.

    Each search has its own colour, marker and line, so that the picture can be read without
    colours. Each front is that of x and y alone.

    Args:
        searches: One or several.
        x: Objective of the horizontal axis.
        y: Objective of the vertical axis.

    Returns:
        A figure of 5 × 3.6 inches, the legend above the axes.

    Raises:
        ParetoError: If there is no search, two have the same name, or a value is missing or not
            finite.
    """
    check_searches(searches)
    everything = [candidate for search in searches for candidate in search.candidates]
    values = matrix(everything, (x, y))
    scales = scale_of(x, values[:, 0]), scale_of(y, values[:, 1])
    units = np.array([scale.unit for scale in scales])
    size = 0.6 * figures.dot_size(len(everything))
    handles: list[Artist] = []
    with figures.paper_style():
        figure = figures.new_figure()
        axes = figure.add_subplot(xlabel=scales[0].label, ylabel=scales[1].label)
        axes.margins(0.06)
        for index, search in enumerate(searches):
            xs, ys = (matrix(search.candidates, (x, y)) / units).T
            best = matrix(front_of(search.candidates, (x, y)), (x, y)) / units
            style = _style(index)
            axes.scatter(xs, ys, s=size, **style, alpha=0.4, linewidths=0, zorder=2)
            handles.append(_draw_front(axes, best, x, {**style, "linestyle": _line(index)}))
        handles += _neutral_handles()
        names = [figures.shown(search.name) for search in searches]
        figures.add_legend(figure, handles, [*names, "Pareto front", "candidates"])
    return figure


def _style(index: int) -> dict[str, Any]:
    return {
        "color": figures.PALETTE[index % len(figures.PALETTE)],
        "marker": figures.MARKERS[index % len(figures.MARKERS)],
    }


def _line(index: int) -> str:
    return figures.LINES[index % len(figures.LINES)]


def _draw_front(
    axes: Axes, best: npt.NDArray[np.float64], x: Objective, style: dict[str, Any]
) -> Artist:
    (line,) = axes.plot(
        *figures.sorted_by_x(best).T,
        **style,
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        drawstyle=figures.step_style(x),
        zorder=3,
    )
    return line


def _neutral_handles() -> list[Artist]:
    return [
        figures.handle(color=figures.NEUTRAL),
        figures.handle(linestyle="", marker="o", markersize=3, color=figures.NEUTRAL, alpha=0.6),
    ]
