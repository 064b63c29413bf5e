"""Labels beside points, without overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation

_DIRECTIONS = np.deg2rad(np.arange(0, 360, 15))
_DISTANCES = (2.5, 6.0, 12.0, 20.0, 30.0, 42.0)  # from a marker to its label, in points
_NEAR = 5.0  # a label further off gets a line to its point
_FONT = 7.0
_GAP = 3.0  # between two labels in a row, in points
_SWEEPS = 3

# What a place costs, in the order of what disturbs a reader most.
_OVERLAP = 1e6
_HIDES_RING = 1e3
_AMBIGUOUS = 40.0
_CROSSES_LINE = 20.0
_HIDES_DOT = 8.0
_STEP_AWAY = 4.0

Boxes = npt.NDArray[np.float64]  # N×4: left, bottom, right, top, in pixels


@dataclass(frozen=True)
class Obstacles:
    """What labels should not hide; places in data units, radii in points.

    Args:
        rings: R×2, the marked points.
        ring_radius: Of their markers.
        dots: K×2, all other points.
        dot_radius: Of their markers.
        line: L×2, corners of an axis-parallel line.
    """

    rings: npt.NDArray[np.float64]
    ring_radius: float
    dots: npt.NDArray[np.float64]
    dot_radius: float
    line: npt.NDArray[np.float64]


def place_labels(
    axes: Axes,
    points: npt.NDArray[np.float64],
    texts: Sequence[str],
    *,
    obstacles: Obstacles,
) -> list[Annotation]:
    """Writes a label beside each point, where it hides least.

    For every label the best of the places around its point is chosen, given those of the others,
    in some sweeps. A label that would still cover another one is left out.

    Args:
        axes: Where to write; its data are drawn and its limits final.
        points: N×2, the points to label, some of the rings, in data units.
        texts: The N labels.
        obstacles: What should stay visible.

    Returns:
        The annotations drawn.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()
    pixels = figure.dpi / 72
    radius = obstacles.ring_radius * pixels
    sizes = np.array([_text_size(axes, text) for text in texts]).reshape(-1, 2)
    centres = axes.transData.transform(points)
    offsets = [_offsets(size, radius, pixels) for size in sizes]
    padded = sizes + np.array([_GAP * pixels, 0])
    boxes = [_boxes(c + o, s) for c, o, s in zip(centres, offsets, padded, strict=True)]
    fixed = [
        _fixed_costs(axes, b, c, obstacles, pixels) for b, c in zip(boxes, centres, strict=True)
    ]
    return [
        _annotate(
            axes,
            texts[i],
            points[i],
            offsets[i][place] / pixels,
            _has_leader(place),
            obstacles.ring_radius,
        )
        for i, place in enumerate(_choose(boxes, fixed))
        if place is not None
    ]


def _has_leader(place: int) -> bool:
    return _DISTANCES[place // len(_DIRECTIONS)] > _NEAR


def _text_size(axes: Axes, text: str) -> tuple[float, float]:
    probe = axes.text(0, 0, text, fontsize=_FONT)
    box = probe.get_window_extent()
    probe.remove()
    return box.width, box.height


def _offsets(size: npt.NDArray[np.float64], radius: float, pixels: float) -> Boxes:
    """Centres of the possible labels relative to the point, in pixels, near ones first."""
    rays = np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)], axis=1)
    return np.concatenate(
        [rays * (radius + distance * pixels + size / 2 * np.abs(rays)) for distance in _DISTANCES]
    )


def _boxes(centres: npt.NDArray[np.float64], size: npt.NDArray[np.float64]) -> Boxes:
    return np.concatenate([centres - size / 2, centres + size / 2], axis=1)


def _overlaps(box: npt.NDArray[np.float64], others: Boxes) -> npt.NDArray[np.bool_]:
    return np.asarray(
        ((box[:2] < others[:, 2:]) & (box[2:] > others[:, :2])).all(axis=1), dtype=bool
    )


def _fixed_costs(
    axes: Axes,
    boxes: Boxes,
    centre: npt.NDArray[np.float64],
    obstacles: Obstacles,
    pixels: float,
) -> npt.NDArray[np.float64]:
    """What each place of one label costs, whatever the other labels do."""
    frame = np.asarray(axes.bbox.extents)
    outside = (boxes[:, :2] < frame[:2]).any(axis=1) | (boxes[:, 2:] > frame[2:]).any(axis=1)
    rings = axes.transData.transform(obstacles.rings)
    dots = axes.transData.transform(obstacles.dots)
    ring_boxes = _boxes(rings, np.full(2, 2 * obstacles.ring_radius * pixels))
    dot_boxes = _boxes(dots, np.full(2, 2 * obstacles.dot_radius * pixels))
    segments = _segment_boxes(axes.transData.transform(obstacles.line))
    others = rings[np.hypot(*(rings - centre).T) > 1]
    costs = [
        _HIDES_RING * _overlaps(box, ring_boxes).sum()
        + _CROSSES_LINE * _overlaps(box, segments).any()
        + _HIDES_DOT * _overlaps(box, dot_boxes).sum()
        + _CROSSES_LINE * _rings_crossed(box, centre, ring_boxes)
        + _AMBIGUOUS * (not _has_leader(place) and _nearer(box, others, centre))
        for place, box in enumerate(boxes)
    ]
    steps = np.arange(len(boxes)) // len(_DIRECTIONS)
    return np.array(costs) + _STEP_AWAY * steps + _OVERLAP * outside


def _rings_crossed(
    box: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], rings: Boxes
) -> int:
    """Over how many markers, its own among them, a line from the label to its point runs."""
    middle = (box[:2] + box[2:]) / 2
    path = centre + np.linspace(0, 1, 12)[:, None] * (middle - centre)
    inside = (path[:, None] > rings[:, :2]) & (path[:, None] < rings[:, 2:])
    return int(inside.all(axis=2).any(axis=0).sum())


def _segment_boxes(corners: npt.NDArray[np.float64]) -> Boxes:
    ends = np.stack([corners[:-1], corners[1:]])
    return np.concatenate([ends.min(axis=0) - 1, ends.max(axis=0) + 1], axis=1)


def _nearer(
    box: npt.NDArray[np.float64],
    others: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
) -> bool:
    """Whether the label is about as near to another point as to its own."""
    distances = np.hypot(*_gaps(box, np.vstack([own, others])).T)
    return bool((distances[1:] < 1.4 * distances[0]).any())


def _gaps(box: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> Boxes:
    return np.maximum(np.maximum(box[:2] - points, points - box[2:]), 0.0)


def _choose(boxes: Sequence[Boxes], fixed: Sequence[npt.NDArray[np.float64]]) -> list[int | None]:
    places = [int(np.argmin(costs)) for costs in fixed]
    for _ in range(_SWEEPS):
        for i in range(len(places)):
            others = np.array([boxes[j][places[j]] for j in range(len(places)) if j != i])
            taken = [_overlaps(box, others.reshape(-1, 4)).sum() for box in boxes[i]]
            places[i] = int(np.argmin(fixed[i] + _OVERLAP * np.array(taken)))
    return _without_overlaps(boxes, places)


def _without_overlaps(boxes: Sequence[Boxes], places: Sequence[int]) -> list[int | None]:
    kept: list[int | None] = []
    drawn = np.empty((0, 4))
    for i, place in enumerate(places):
        box = boxes[i][place]
        clear = not _overlaps(box, drawn).any()
        kept.append(place if clear else None)
        if clear:
            drawn = np.vstack([drawn, box])
    return kept


def _annotate(
    axes: Axes,
    text: str,
    point: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    leader: bool,
    radius: float,
) -> Annotation:
    arrow = {"arrowstyle": "-", "linewidth": 0.5, "color": "0.35", "shrinkA": 0, "shrinkB": radius}
    annotation = axes.annotate(
        text,
        (float(point[0]), float(point[1])),
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=_FONT,
        arrowprops=arrow if leader else None,
        path_effects=[withStroke(linewidth=1.5, foreground="white")],
        zorder=5,
    )
    # Otherwise the layout would be made again, for the labels, and move the points off them.
    annotation.set_in_layout(False)
    return annotation
