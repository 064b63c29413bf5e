"""The picture of a front among all candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nas.pareto import figures
from nas.pareto.candidates import Candidate, Series, check_searches, front_of, matrix
from nas.pareto.labels import Obstacles, place_labels
from nas.pareto.objectives import Objective
from nas.pareto.scales import Scale, scale_of

# From light to dark, so that late candidates, often the better ones, stand out on white.
_COLOURS = "viridis_r"
_MOST_LABELS = 12
_RING = 6.5  # diameter of a front marker, in points


def plot_front(
    searches: Sequence[Series], x: Objective, y: Objective, limits: Sequence[float] = ()
) -> Figure:
    """Draws every candidate, coloured by iteration, and the front over all searches together.

    The front is that of x and y alone. Its points are labelled with their trials, at most twelve
    of them, evenly along the front.

    Args:
        searches: One or several; several are told apart by their markers.
        x: Objective of the horizontal axis.
        y: Objective of the vertical axis.
        limits: Largest allowed values of x, each drawn as a vertical line.

    Returns:
        A figure of 5 × 3.6 inches.

    Raises:
        ParetoError: If there is no search, two have the same name, or a value is missing or not
            finite.
    """
    check_searches(searches)
    candidates = [candidate for search in searches for candidate in search.candidates]
    points = matrix(candidates, (x, y))
    scales = scale_of(x, points[:, 0]), scale_of(y, points[:, 1])
    best = front_of(candidates, (x, y))
    with figures.paper_style():
        figure = figures.new_figure()
        axes = figure.add_subplot(xlabel=scales[0].label, ylabel=scales[1].label)
        axes.margins(x=0.1, y=0.07)
        handles = _scatter(axes, searches, (x, y), scales)
        corners = _in_units(matrix(best, (x, y)), scales)
        handles.append(_draw_front(axes, corners, x))
        labels = _legend_labels(searches, best)
        for limit in dict.fromkeys(limits):
            handles.append(_draw_limit(axes, limit / scales[0].unit))
            labels.append(f"limit of {limit / scales[0].unit:g}")
        figures.add_legend(figure, handles, labels)
        _label_front(axes, best, corners, x, _in_units(points, scales))
    return figure


def _in_units(
    points: npt.NDArray[np.float64], scales: tuple[Scale, Scale]
) -> npt.NDArray[np.float64]:
    return points / np.array([scale.unit for scale in scales])


def _scatter(
    axes: Axes,
    searches: Sequence[Series],
    objectives: tuple[Objective, Objective],
    scales: tuple[Scale, Scale],
) -> list[Artist]:
    iterations = [c.iteration for search in searches for c in search.candidates]
    first, last = min(iterations), max(iterations)
    norm = Normalize(first, max(last, first + 1))
    size = figures.dot_size(len(iterations))
    handles: list[Artist] = []
    for index, search in enumerate(searches):
        marker = figures.MARKERS[index % len(figures.MARKERS)]
        xs, ys = _in_units(matrix(search.candidates, objectives), scales).T
        axes.scatter(
            xs,
            ys,
            c=[candidate.iteration for candidate in search.candidates],
            cmap=_COLOURS,
            norm=norm,
            s=size,
            marker=marker,
            edgecolors="0.3",
            linewidths=0.25,
            zorder=2,
        )
        style = {"linestyle": "", "marker": marker, "color": figures.NEUTRAL, "markersize": 4}
        handles.append(figures.handle(**style))
    figure = axes.get_figure(root=True)
    assert figure is not None
    ticks = MaxNLocator(integer=True, nbins=6) if last > first else [first]
    bar = figure.colorbar(
        ScalarMappable(norm, _COLOURS), ax=axes, label="Iteration", ticks=ticks, pad=0.02
    )
    bar.outline.set_linewidth(0.5)
    return handles


def _draw_front(axes: Axes, corners: npt.NDArray[np.float64], x: Objective) -> Artist:
    """Draws the line under the candidates and rings around them, so that their colours show."""
    style: dict[str, Any] = {"color": figures.ACCENT, "drawstyle": figures.step_style(x)}
    ring: dict[str, Any] = {
        "marker": "o",
        "markersize": _RING,
        "markerfacecolor": "none",
        "markeredgewidth": 1.1,
    }
    line = figures.sorted_by_x(corners).T
    axes.plot(*line, **style, zorder=1.8)
    axes.plot(*line, **{**style, "linestyle": ""}, **ring, zorder=3)
    return figures.handle(**style, **ring)


def _draw_limit(axes: Axes, place: float) -> Artist:
    style: dict[str, Any] = {"color": figures.NEUTRAL, "linestyle": "--", "linewidth": 1.0}
    axes.axvline(place, **style, zorder=1.5)
    return figures.handle(**style)


def _legend_labels(searches: Sequence[Series], best: Sequence[Candidate]) -> list[str]:
    if len(searches) == 1:
        names = [f"candidates ({len(searches[0].candidates)})"]
    else:
        names = [f"{figures.shown(search.name)} ({len(search.candidates)})" for search in searches]
    labels = "" if any(candidate.label for candidate in best) else ", with trial numbers"
    return [*names, f"Pareto front ({len(best)}){labels}"]


def _label_front(
    axes: Axes,
    best: Sequence[Candidate],
    corners: npt.NDArray[np.float64],
    x: Objective,
    dots: npt.NDArray[np.float64],
) -> None:
    titles: dict[tuple[float, float], list[str]] = {}
    for candidate, (left, bottom) in zip(best, corners.tolist(), strict=True):
        titles.setdefault((left, bottom), []).append(candidate.title)
    places = list(titles)
    chosen = np.unique(np.linspace(0, len(places) - 1, _MOST_LABELS).round().astype(int))
    place_labels(
        axes,
        np.array([places[index] for index in chosen]),
        [_joined(titles[places[index]]) for index in chosen],
        obstacles=Obstacles(
            rings=corners,
            ring_radius=_RING / 2,
            dots=dots,
            dot_radius=np.sqrt(figures.dot_size(len(dots))) / 2,
            line=_turns(figures.sorted_by_x(corners), figures.step_style(x)),
        ),
    )


def _joined(titles: Sequence[str]) -> str:
    shown = ", ".join(titles[:3])
    return shown if len(titles) <= 3 else f"{shown}, …"


def _turns(line: npt.NDArray[np.float64], style: str) -> npt.NDArray[np.float64]:
    """The points of a step line with the corners between them."""
    first, second = line[:-1], line[1:]
    if style == "steps-pre":
        first, second = second, first
    turns = np.stack([second[:, 0], first[:, 1]], axis=1)
    path = np.empty((2 * len(line) - 1, 2))
    path[::2], path[1::2] = line, turns
    return path
