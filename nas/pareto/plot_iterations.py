"""The picture of how figures change in the course of a search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.pareto import figures
from nas.pareto.candidates import Series, check_searches, matrix
from nas.pareto.objectives import Objective, ParetoError
from nas.pareto.scales import scale_of

_FEWEST_IN_A_BOX = 5
_FILL = 0.8  # share of a bin's width that its boxes take


def plot_iterations(
    searches: Sequence[Series], quantities: Sequence[Objective], bins: int = 10
) -> Figure:
    """Draws box plots of some quantities over equal parts of the search.

    Boxes show quartiles and median, whiskers reach the furthest candidates within 1.5 times the
    box, a diamond is the mean, and every candidate is a faint dot at its iteration.

    Args:
        searches: One or several; several have boxes side by side.
        quantities: What to draw, a panel each, for example reward, quality and a cost.
        bins: Number of parts; fewer are used where a part would hold less than five candidates.

    Returns:
        A figure 5 inches wide with a panel for each quantity.

    Raises:
        ParetoError: If there is nothing to draw, or a value is missing or not finite.
    """
    check_searches(searches)
    if not quantities:
        raise ParetoError("there is no quantity to draw.")
    if bins < 1:
        raise ParetoError(f"box plots need at least one bin, not {bins}.")
    edges = _edges(searches, bins)
    with figures.paper_style():
        figure = figures.new_figure(0.8 + 1.5 * len(quantities))
        panels = figure.subplots(len(quantities), 1, sharex=True, squeeze=False)[:, 0]
        for axes, quantity in zip(panels, quantities, strict=True):
            _draw_panel(axes, searches, quantity, edges)
        panels[-1].set(xlabel="Iteration", xticks=edges, xlim=(edges[0] - 0.5, edges[-1] - 0.5))
        figure.align_ylabels(panels)
        _add_legend(figure, searches)
    return figure


def _edges(searches: Sequence[Series], bins: int) -> npt.NDArray[np.int_]:
    """First iterations of the bins, and the first one after them."""
    count = 1 + max(c.iteration for search in searches for c in search.candidates)
    fewest = min(len(search.candidates) for search in searches)
    used = min(bins, max(1, fewest // _FEWEST_IN_A_BOX), count)
    return np.linspace(0, count, used + 1).round().astype(int)


def _draw_panel(
    axes: Axes,
    searches: Sequence[Series],
    quantity: Objective,
    edges: npt.NDArray[np.int_],
) -> None:
    everything = [candidate for search in searches for candidate in search.candidates]
    scale = scale_of(quantity, matrix(everything, (quantity,)))
    axes.set_ylabel(scale.label)
    axes.grid(visible=False, axis="x")
    for index, search in enumerate(searches):
        iterations = np.array([candidate.iteration for candidate in search.candidates])
        values = scale.apply(matrix(search.candidates, (quantity,))[:, 0])
        colour = figures.PALETTE[index % len(figures.PALETTE)]
        size = 0.3 * figures.dot_size(len(everything))
        axes.scatter(iterations, values, s=size, color=colour, alpha=0.35, linewidths=0, zorder=1)
        _draw_boxes(axes, iterations, values, edges, (index, len(searches)), colour)


def _draw_boxes(
    axes: Axes,
    iterations: npt.NDArray[np.int_],
    values: npt.NDArray[np.float64],
    edges: npt.NDArray[np.int_],
    place: tuple[int, int],
    colour: str,
) -> None:
    index, count = place
    spans = np.diff(edges)
    widths = _FILL * spans / count
    centres = edges[:-1] - 0.5 + spans / 2 + (index - (count - 1) / 2) * widths
    owner = np.digitize(iterations, edges[1:-1])
    filled = [part for part in range(len(spans)) if (owner == part).any()]
    axes.boxplot(
        [values[owner == part] for part in filled],
        positions=centres[filled],
        widths=0.85 * widths[filled],
        manage_ticks=False,
        patch_artist=True,
        showfliers=False,
        showmeans=True,
        boxprops={"facecolor": (colour, 0.22), "edgecolor": colour, "linewidth": 0.8},
        medianprops={"color": colour, "linewidth": 1.6},
        whiskerprops={"color": colour, "linewidth": 0.8},
        capprops={"color": colour, "linewidth": 0.8},
        meanprops=_mean_style(colour),
        zorder=2,
    )


def _mean_style(colour: str) -> dict[str, object]:
    return {
        "marker": "D",
        "markersize": 3.5,
        "markerfacecolor": "white",
        "markeredgecolor": colour,
        "markeredgewidth": 0.8,
    }


def _add_legend(figure: Figure, searches: Sequence[Series]) -> None:
    handles: list[Artist] = []
    names = []
    if len(searches) > 1:
        for index, search in enumerate(searches):
            colour = figures.PALETTE[index % len(figures.PALETTE)]
            handles.append(
                figures.handle(linestyle="", marker="s", color=colour, alpha=0.6, markersize=6)
            )
            names.append(figures.shown(search.name))
    colour = figures.PALETTE[0] if len(searches) == 1 else figures.NEUTRAL
    handles.append(figures.handle(color=colour, linewidth=1.6))
    handles.append(figures.handle(linestyle="", **_mean_style(colour)))
    dot = {"linestyle": "", "marker": ".", "color": colour, "alpha": 0.6, "markersize": 5}
    handles.append(figures.handle(**dot))
    figures.add_legend(figure, handles, [*names, "median", "mean", "candidate"])
