"""The picture of how well early scores foretell later ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.pareto import figures
from nas.pareto.objectives import ParetoError
from nas.pareto.rungs import RungPanel

_COLUMNS = 2
_SIDE = 2.4  # inches of a panel and its labels
_TICK = 0.04  # height of a tick, as a share of the axis
_ABOVE, _LINE = 3, 10  # of the notes above a panel, in points
_EQUAL: dict[str, Any] = {"color": figures.NEUTRAL, "linestyle": ":", "linewidth": 0.8}


def plot_rungs(panels: Sequence[RungPanel]) -> Figure:
    """Draws the quality of candidates at an early rung against that at a later one.

    Candidates that were cut short before the later rung are ticks on the horizontal axis.

    Args:
        panels: At least one, all of the same searches.

    Returns:
        A figure 5 inches wide, two panels in a row.

    Raises:
        ParetoError: If there is no panel.
    """
    if not panels:
        raise ParetoError("there are no rungs to draw.")
    rows = -(-len(panels) // _COLUMNS)
    columns = min(len(panels), _COLUMNS)
    with figures.paper_style():
        height = figures.HEIGHT if len(panels) == 1 else 0.5 + _SIDE * rows
        figure = figures.new_figure(height)
        places = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, panel in zip(places, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in places[len(panels) :]:
            axes.remove()
        _add_legend(figure, panels)
    return figure


def _draw_panel(axes: Axes, panel: RungPanel) -> None:
    axes.set(xlabel=f"Quality at {panel.early}", ylabel=f"Quality at {panel.late}")
    axes.margins(0.06)
    size = figures.dot_size(max(1, sum(len(search.both) for search in panel.searches)))
    for index, search in enumerate(panel.searches):
        early, late = search.both.T
        style: dict[str, Any] = {"color": _colour(index), "marker": _marker(index)}
        axes.scatter(early, late, s=size, **style, alpha=0.6, linewidths=0, zorder=3)
        # Places are qualities, heights are shares of the axis.
        ticks = axes.get_xaxis_transform()
        colour = _colour(index)
        axes.vlines(search.cut_short, 0, _TICK, transform=ticks, color=colour, linewidth=0.8)
    notes = [(search.note, _colour(i)) for i, search in enumerate(panel.searches) if search.note]
    for line, (note, colour) in enumerate(reversed(notes)):
        place = (0, _ABOVE + _LINE * line)
        axes.annotate(
            note, (0, 1), place, "axes fraction", textcoords="offset points", color=colour
        )
    # The line is there to compare with, and must not move the axes to where it begins.
    axes.autoscale_view()
    axes.autoscale(enable=False)
    axes.axline((0, 0), slope=1, **_EQUAL)


def _add_legend(figure: Figure, panels: Sequence[RungPanel]) -> None:
    searches = panels[0].searches
    handles: list[Artist] = []
    labels = []
    for index, search in enumerate(searches):
        handles.append(
            figures.handle(linestyle="", marker=_marker(index), color=_colour(index), markersize=4)
        )
        labels.append(figures.shown(search.name) if len(searches) > 1 else "candidate")
    colour = _colour(0) if len(searches) == 1 else figures.NEUTRAL
    if any(len(search.cut_short) for panel in panels for search in panel.searches):
        handles.append(figures.handle(linestyle="", marker="|", color=colour))
        labels.append("cut short between")
    handles.append(figures.handle(**_EQUAL))
    labels.append("equal quality")
    figures.add_legend(figure, handles, labels)


def _colour(index: int) -> str:
    return figures.PALETTE[index % len(figures.PALETTE)]


def _marker(index: int) -> str:
    return figures.MARKERS[index % len(figures.MARKERS)]
