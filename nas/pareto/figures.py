"""What the pictures share: size, fonts, colours, legends, files.

Figures are made without pyplot, so that nothing global (backend, open figures, settings) changes.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nas.files import replacing
from nas.pareto.objectives import Objective, ParetoError
from nas.terminal import visible

WIDTH, HEIGHT = 5.0, 3.6  # inches: one column of a paper
DPI = 200

# Okabe and Ito, https://jfly.uni-koeln.de/color: seven colours that the colour-blind tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "<", ">", "p")
LINES = ("-", "--", "-.", ":")
ACCENT = "#D55E00"
NEUTRAL = "0.45"

_ASIAN = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Droid Sans Fallback",
)
_INSTALLED = {font.name for font in font_manager.fontManager.ttflist}
_FAMILIES = ["DejaVu Sans", *(name for name in _ASIAN if name in _INSTALLED)]
_STYLE: dict[Any, Any] = {
    # What the first font lacks, such as the characters of Asia, the next one that is there has.
    "font.family": _FAMILIES,
    "font.size": 8,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.useoffset": False,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "svg.hashsalt": "nas",
}
_FORMATS: dict[str, dict[str, Any]] = {
    "png": {},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
_LEGEND_CHARACTERS = 66  # what fits into one column over the width of a picture
_LEGEND_INCHES = 0.45  # height of the legends that a picture has room for


@contextmanager
def paper_style() -> Iterator[None]:
    """The settings under which every picture is made and saved."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A character that no font has is drawn as a box, which the reader sees.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(height: float = HEIGHT) -> Figure:
    """An empty figure, `height` inches high, that lays itself out without clipping."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def dot_size(count: int) -> float:
    """Area of a scatter dot in square points, smaller where there are more."""
    return float(np.clip(220 / np.sqrt(count), 7, 30))


def step_style(x: Objective) -> str:
    """How a front is drawn: between two points the line shows what is surely attained."""
    return "steps-post" if x.direction == "minimise" else "steps-pre"


def sorted_by_x(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """N×2 points in the order in which a line meets them."""
    return points[np.argsort(points[:, 0], kind="stable")]


def add_legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """A legend above the axes in as many columns as fit; the figure grows by its further rows."""
    wrapped = [textwrap.fill(label, _LEGEND_CHARACTERS) for label in labels]
    for columns in range(len(wrapped), 0, -1):
        legend = figure.legend(
            handles, wrapped, loc="outside upper center", ncols=columns, columnspacing=1.4
        )
        extent = legend.get_window_extent()
        if extent.width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + max(0.0, extent.height / figure.dpi - _LEGEND_INCHES))


def shown(name: str) -> str:
    """A name as a label: a dollar sign begins no formula in it, and nothing in it is obeyed."""
    return visible(name).replace("$", r"\$")


def handle(**style: Any) -> Line2D:
    """A legend entry in the given style."""
    return Line2D([], [], **style)


def save(
    figure: Figure, path_stem: str | Path, formats: Sequence[str] = ("png", "svg", "pdf")
) -> list[Path]:
    """Writes a picture in several formats; the same figure gives the same bytes.

    Args:
        figure: The picture.
        path_stem: Path without the ending; missing folders are made.
        formats: Any of "png" (200 dots per inch), "svg", "pdf".

    Returns:
        The files written.

    Raises:
        ParetoError: If a format is unknown.
    """
    for name in formats:
        if name not in _FORMATS:
            raise ParetoError(f"unknown format {name!r}; choose from: {', '.join(_FORMATS)}.")
    stem = Path(path_stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with paper_style():
        for name in formats:
            path = stem.with_name(f"{stem.name}.{name}")
            with replacing(path) as temporary:
                figure.savefig(temporary, format=name, dpi=DPI, metadata=_FORMATS[name])
            written.append(path)
    return written
