"""A contact sheet of a task: some images with their masks or classes, a legend, and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nas.errors import UserError
from nas.files import replacing
from nas.report.pictures import as_shown, class_colours, overlay
from nas.tasks import ClassificationTask, SegmentationTask, Task
from nas.tasks.segmentation.formats.mask import BACKGROUND
from nas.terminal import visible

_WIDTH = 1600
_MARGIN = 24
_GAP = 8
_LEGEND = 300
"""Pixels of the column of names."""
_SHOWN = {"train": 12, "validation": 4, "test": 4}
"""Images with masks of each split."""
_PAIRS_A_ROW = 4
_CLASSES = 30
_OF_A_CLASS = 12
_LARGEST = 96
"""Longer side in pixels of an image of a class."""
_IGNORED = (255, 255, 255)
_INK, _FAINT, _LINE, _PAPER = (24, 24, 27), (100, 100, 108), (210, 210, 216), (255, 255, 255)


def write_sheet(task: Task, path: Path | None = None) -> Path:
    """Draws the contact sheet of a task.

    Args:
        task: Of images with masks, or with a class each.
        path: The PNG file; ``NAME-sheet.png`` in the current folder unless given.

    Returns:
        The file.

    Raises:
        UserError: If an image cannot be read, or the file is no PNG or cannot be written.
    """
    name = re.sub(r"[^\w.-]+", "_", task.name)
    path = path or Path(f"{name}-sheet.png")
    if path.suffix.lower() != ".png":
        raise UserError(f"{path}: a contact sheet is a PNG; give a name that ends in .png.")
    sheet = contact_sheet(task)
    try:
        with replacing(path) as temporary:
            sheet.save(temporary, "PNG", optimize=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}).") from error
    return path


def contact_sheet(task: Task) -> Image.Image:
    """The picture, 1600 pixels wide.

    Raises:
        UserError: If an image cannot be read.
    """
    sheet = _Sheet()
    height, width = task.input_size
    sheet.text(task.name, 30, _INK)
    counts = ", ".join(f"{split} {len(task.dataset(split))}" for split in task.splits)
    sheet.text(
        f"{task.kind} of {task.num_classes} classes; images: {counts}; networks see "
        f"{height}×{width} pixels of {' and '.join(task.inputs)}",
        16,
        _FAINT,
    )
    if isinstance(task, SegmentationTask):
        _draw_masks(sheet, task)
    elif isinstance(task, ClassificationTask):
        _draw_classes(sheet, task)
    else:
        raise UserError(f"task {task.name}: no contact sheet is drawn of a {task.kind} task.")
    return sheet.finished()


class _Sheet:
    """A page that grows downwards."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Image.Image]] = []
        self._height = _MARGIN

    def text(self, text: str, size: int, colour: tuple[int, int, int]) -> None:
        """A line of text."""
        strip = Image.new("RGB", (_WIDTH - 2 * _MARGIN, round(1.5 * size)), _PAPER)
        _write(ImageDraw.Draw(strip), (0, 0), text, size, colour, strip.width)
        self.put(strip)

    def put(self, picture: Image.Image) -> None:
        """A picture below what is there."""
        self._parts.append((self._height, picture))
        self._height += picture.height + _GAP

    def finished(self) -> Image.Image:
        """The whole page."""
        page = Image.new("RGB", (_WIDTH, self._height + _MARGIN), _PAPER)
        for top, picture in self._parts:
            page.paste(picture, (_MARGIN, top))
        return page


@dataclass(frozen=True)
class _Entry:
    """A line of the legend: a colour, a name, and the share of its pixels."""

    colour: tuple[int, int, int]
    name: str
    share: float


def _draw_masks(sheet: _Sheet, task: SegmentationTask) -> None:
    """Pairs of an image, and the image tinted by its mask, split by split beside the legend."""
    colours = _colours(task)
    body = _Sheet()
    area = _WIDTH - 2 * _MARGIN - _LEGEND
    counts = np.zeros(task.num_classes + 1, np.int64)
    pictures: list[tuple[str, Image.Image]] = []
    for split in task.splits:
        total = len(task.sources[split].names)
        rows = _spread(total, _SHOWN[split])
        if not rows:
            continue
        images, masks = task.sources[split].read_some(rows)
        # Every value that is no class counts as the one behind the last class.
        values = np.where(masks.numpy() < task.num_classes, masks.numpy(), task.num_classes)
        counts += np.bincount(values.ravel(), minlength=len(counts))
        pairs = [
            _pair(as_shown(image), value, colours)
            for image, value in zip(images, values, strict=True)
        ]
        names = [task.sources[split].names[row] for row in rows]
        pictures.append((f"{split}: {len(rows)} of {total}", _grid(pairs, names, area)))
    shares = counts / max(counts.sum(), 1)
    entries = [
        _Entry(tuple(colour), name, share)
        for colour, name, share in zip(
            [*colours.tolist(), _IGNORED],
            [*task.classes, "(ignored)"],
            shares.tolist(),
            strict=True,
        )
    ]
    for title, grid in pictures:
        body.put(_title(title, area))
        body.put(grid)
    sheet.put(_beside(_legend(entries), body))


def _colours(task: SegmentationTask) -> np.ndarray:
    """A colour for each class; black for the background alone."""
    if task.classes[0] == BACKGROUND:
        return class_colours(task.num_classes)
    return class_colours(task.num_classes + 1)[1:]


def _pair(image: np.ndarray, values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    tinted = overlay(image, values, np.concatenate([colours, [_IGNORED]]).astype(np.uint8))
    return np.concatenate([image, tinted], axis=1)


def _grid(pictures: Sequence[np.ndarray], names: Sequence[str], width: int) -> Image.Image:
    """Pictures of one size with their names below, row by row."""
    cell = (width - (_PAIRS_A_ROW - 1) * _GAP) // _PAIRS_A_ROW
    height = round(cell * pictures[0].shape[0] / pictures[0].shape[1])
    step = height + 22
    rows = -(-len(pictures) // _PAIRS_A_ROW)
    grid = Image.new("RGB", (width, rows * step), _PAPER)
    draw = ImageDraw.Draw(grid)
    for place, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        row, column = divmod(place, _PAIRS_A_ROW)
        left, top = column * (cell + _GAP), row * step
        grid.paste(_scaled(picture, (cell, height)), (left, top))
        _write(draw, (left, top + height + 2), name, 12, _FAINT, cell)
    return grid


def _legend(entries: Sequence[_Entry]) -> Image.Image:
    step = 24
    picture = Image.new("RGB", (_LEGEND - _MARGIN, step * (len(entries) + 1)), _PAPER)
    draw = ImageDraw.Draw(picture)
    _write(draw, (0, 0), "share of the pixels shown", 12, _FAINT, picture.width)
    for place, entry in enumerate(entries, start=1):
        top = place * step
        draw.rectangle((0, top + 2, 16, top + 18), fill=entry.colour, outline=_LINE)
        _write(draw, (24, top), entry.name, 14, _INK, picture.width - 84)
        share = f"{entry.share:.1%}"
        left = picture.width - _font(14).getlength(share)
        _write(draw, (int(left), top), share, 14, _FAINT, 60)
    return picture


def _draw_classes(sheet: _Sheet, task: ClassificationTask) -> None:
    """A row of images for each class, with its name and its number of images in each split."""
    labels = {split: task.sources[split].labels for split in task.splits}
    shown = range(min(task.num_classes, _CLASSES))
    by_class = {one: np.flatnonzero(labels["train"] == one).tolist() for one in shown}
    chosen = {
        one: [rows[at] for at in _spread(len(rows), _OF_A_CLASS)] for one, rows in by_class.items()
    }
    flat = [row for rows in chosen.values() for row in rows]
    images, _ = task.sources["train"].read_some(flat)
    left = iter(images)
    for one in shown:
        counts = ", ".join(f"{split} {int((labels[split] == one).sum())}" for split in task.splits)
        pictures = [as_shown(next(left)) for _ in chosen[one]]
        sheet.put(_row(task.classes[one], counts, pictures, task.input_size))
    if task.num_classes > _CLASSES:
        sheet.text(f"and {task.num_classes - _CLASSES} more classes", 16, _FAINT)


def _row(
    name: str, counts: str, pictures: Iterable[np.ndarray], size: tuple[int, int]
) -> Image.Image:
    scale = _LARGEST / max(size)
    height, width = (max(1, round(side * scale)) for side in size)
    strip = Image.new("RGB", (_WIDTH - 2 * _MARGIN, height + 2), _PAPER)
    draw = ImageDraw.Draw(strip)
    draw.line((0, 0, strip.width, 0), fill=_LINE)
    _write(draw, (0, 8), name, 16, _INK, _LEGEND - _GAP)
    _write(draw, (0, 34), counts, 12, _FAINT, _LEGEND - _GAP)
    for place, picture in enumerate(pictures):
        strip.paste(_scaled(picture, (width, height)), (_LEGEND + place * (width + 6), 2))
    return strip


def _title(text: str, width: int) -> Image.Image:
    strip = Image.new("RGB", (width, 24), _PAPER)
    _write(ImageDraw.Draw(strip), (0, 0), text, 16, _INK, width)
    return strip


def _beside(left: Image.Image, right: _Sheet) -> Image.Image:
    """The legend, and what it belongs to on its right."""
    body = right.finished()
    height = max(left.height, body.height - 2 * _MARGIN)
    page = Image.new("RGB", (_WIDTH - 2 * _MARGIN, height), _PAPER)
    page.paste(left, (0, 0))
    page.paste(body.crop((_MARGIN, _MARGIN, body.width, body.height - _MARGIN)), (_LEGEND, 0))
    return page


def _scaled(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A picture of a width and height; pixels stay visible where it is enlarged."""
    grows = size[0] >= picture.shape[1]
    way = Image.Resampling.NEAREST if grows else Image.Resampling.BOX
    return Image.fromarray(picture).resize(size, way)


def _spread(total: int, count: int) -> list[int]:
    """So many of the positions, from the first to the last."""
    count = min(count, total)
    return [round(place * (total - 1) / max(count - 1, 1)) for place in range(count)]


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    width: int,
) -> None:
    """A line of text, cut where there is no more room."""
    shown = visible(text).replace("\n", " ")
    font = _font(size)
    if font.getlength(shown) > width:
        while shown and font.getlength(shown + "…") > width:
            shown = shown[:-1]
        shown += "…"
    draw.text(place, shown, colour, font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The font that matplotlib brings knows more letters than that of Pillow.
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
