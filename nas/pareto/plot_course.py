"""The picture of how the best of a search grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, Locator, MaxNLocator, PercentFormatter

from nas.pareto import figures
from nas.pareto.course import Course, latest_share
from nas.pareto.objectives import ParetoError

_NAMES: Mapping[str, str] = MappingProxyType({})
_SMALLEST_WINDOW = 10
_WINDOWS = 10  # in the longest search


def plot_course(courses: Sequence[Course], labels: Mapping[str, str] = _NAMES) -> Figure:
    """Draws what searches had found after each trial, and how often they repeated themselves.

    A step is a trial that is better than all before it. The last panel is the share of repeated
    candidates among the latest trials, a tenth of the longest search and at least ten: where it
    rises, the controller has settled.

    Args:
        courses: One or several, which follow the same figures and costs.
        labels: What to call the costs; they are called by their names unless given.

    Returns:
        A figure 5 inches wide with a panel for each best figure, each hypervolume and the repeats.

    Raises:
        ParetoError: If there is no search, two have the same name, one has no finished trial, or
            they do not follow the same.
    """
    _check(courses)
    first = courses[0]
    count = len(first.best) + len(first.hypervolume) + 1
    with figures.paper_style():
        figure = figures.new_figure(0.8 + 1.25 * count)
        panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        names = [*first.best, *first.hypervolume]
        for axes, name in zip(panels[:-1], names, strict=True):
            _draw_steps(axes, courses, name, labels.get(name, name))
        _draw_repeats(panels[-1], courses)
        panels[-1].set_xlabel("Iteration")
        panels[-1].xaxis.set_major_locator(_ticks(courses))
        figure.align_ylabels(panels)
        if len(courses) > 1:
            handles: list[Artist] = [figures.handle(**_style(i)) for i in range(len(courses))]
            figures.add_legend(figure, handles, [figures.shown(one.name) for one in courses])
    return figure


def _check(courses: Sequence[Course]) -> None:
    if not courses:
        raise ParetoError("there is no search to draw.")
    names = [course.name for course in courses]
    for course in courses:
        if names.count(course.name) > 1:
            raise ParetoError(f"two searches are named {course.name!r}; give each its own name.")
        if not len(course.trials):
            raise ParetoError(f"search {course.name!r} has no finished trial yet.")
        same = (list(course.best), course.references) == (
            list(courses[0].best),
            courses[0].references,
        )
        if not same:
            raise ParetoError("searches can be drawn together if the same was followed in all.")


def _ticks(courses: Sequence[Course]) -> Locator:
    trials = np.concatenate([course.trials for course in courses])
    if trials.min() == trials.max():
        return FixedLocator([float(trials[0])])
    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])


def _draw_steps(axes: Axes, courses: Sequence[Course], name: str, label: str) -> None:
    for index, course in enumerate(courses):
        is_best = name in course.best
        values = course.best[name] if is_best else course.hypervolume[name]
        axes.set_ylabel(f"Best {label}" if is_best else f"Hypervolume\n(quality, {label})")
        better = np.flatnonzero(_rises(values)).tolist()
        # The dots show a small step too, and a search of a single trial.
        dots: dict[str, Any] = {"marker": "o", "markersize": 2.5, "markevery": better}
        axes.plot(course.trials, values, **_style(index), **dots, drawstyle="steps-post")


def _rises(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    before = np.concatenate([[-np.inf], np.nan_to_num(values[:-1], nan=-np.inf)])
    rises: npt.NDArray[np.bool_] = values > before
    return rises


def _draw_repeats(axes: Axes, courses: Sequence[Course]) -> None:
    longest = max(len(course.trials) for course in courses)
    window = max(_SMALLEST_WINDOW, longest // _WINDOWS)
    for index, course in enumerate(courses):
        shares = latest_share(course.repeats, window)
        now: dict[str, Any] = {"marker": "o", "markersize": 2.5, "markevery": [-1]}
        axes.plot(course.trials, shares, **_style(index), **now)
    axes.set(ylabel=f"Repeats in the\nlatest {window}", ylim=(-0.04, 1.04), yticks=(0, 0.5, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _style(index: int) -> dict[str, Any]:
    return {
        "color": figures.PALETTE[index % len(figures.PALETTE)],
        "linestyle": figures.LINES[index % len(figures.LINES)],
    }
