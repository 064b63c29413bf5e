"""LabelMe JSON (https://github.com/wkentaro/labelme): a file of shapes beside each image.

Shapes are filled as LabelMe fills them, and where two overlap, the later one lies on top.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from nas.errors import UserError
from nas.files import read_json
from nas.tasks.mask_files import turned_with
from nas.tasks.segmentation.formats.mask import (
    Labelled,
    Labels,
    Mask,
    MaskFormat,
    MaskLook,
    Painting,
    by_name,
    digest_of,
    listed,
    told,
)

_OVERLAPPING = "shapes of different classes overlap; the later one lies on top"
_WITHOUT_AREA = ("point", "points", "line", "linestrip")
Point = tuple[float, float]


@dataclass(frozen=True)
class LabelMeMask(Mask):
    """The shapes of one image.

    Attributes:
        path: The JSON file.
        image: The image file.
        labels: What the labels mean.
    """

    path: Path
    image: Path | None
    labels: Labels

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> np.ndarray:
        return self.look().values

    def size(self) -> tuple[int, int]:
        content = content_of_file(self.path)
        return content["imageHeight"], content["imageWidth"]

    def digest(self) -> bytes:
        return digest_of(self.path.read_bytes(), repr(self.labels))

    def look(self) -> MaskLook:
        painted = self._painted()
        values = painted.values
        if self.image is not None:
            values = turned_with(values, self.image)
        return MaskLook(values, treatment=(_OVERLAPPING,) * painted.overlapping)

    def _painted(self) -> Painting:
        content = content_of_file(self.path)
        size = content["imageHeight"], content["imageWidth"]
        painting = Painting.empty(size, self.labels)
        for number, shape in enumerate(content["shapes"]):
            where = f"{self.path}: shape {number}"
            value = self.labels.value(str(shape.get("label")), where)
            kind = shape.get("shape_type") or "polygon"
            if kind in _WITHOUT_AREA and value == self.labels.ignored:
                continue
            painting.put(region(shape, kind, size, where), value)
        return painting


class LabelMe(MaskFormat):
    """A JSON file with the name of its image; images without one are passed over."""

    needs_every_mask = False

    def find(self, images: Path, masks: Path) -> Labelled:
        labels = Labels.of(self._settings)
        pictures = listed(images, self._settings.reader.suffixes)
        found, problems = by_name((path.stem, path) for path in pictures.files)
        files, more = by_name((path.stem, path) for path in listed(masks, {".json"}).files)
        made = {name: LabelMeMask(path, found.get(name), labels) for name, path in files.items()}
        notes = [*told(images, pictures, ".json"), *labels.notes()]
        left = [found[name] for name in sorted(found.keys() - files.keys())]
        if left:
            notes.append(
                f"{images}: passed over {len(left)} {'images' if len(left) > 1 else 'image'} "
                f"without annotation, for example {left[0].name}."
            )
        return Labelled(found, dict(made), problems + more, tuple(notes))

    def missing(self, name: str, masks: Path) -> str:
        return f"no annotation {name}.json in {masks}"


def content_of_file(path: Path) -> dict[str, Any]:
    """What a file of LabelMe holds.

    Raises:
        UserError: If it is no such file, or does not tell the size of its image.
    """
    content = read_json(path)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise UserError(f"{path}: no file of LabelMe: it has no list 'shapes'.")
    for key in ("imageHeight", "imageWidth"):
        if not isinstance(content.get(key), int) or content[key] < 1:
            raise UserError(f"{path}: it does not tell {key}; open and save it in LabelMe.")
    return dict(content)


def region(shape: dict[str, Any], kind: str, size: tuple[int, int], where: str) -> np.ndarray:
    """The pixels of a shape, H×W bool, its border included.

    Raises:
        UserError: If it has no area, or is not as its kind has to be.
    """
    points = _points(shape, where)
    if kind == "mask":
        return _bitmap(shape, points, size, where)
    height, width = size
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    if kind in ("polygon", "oriented_rectangle") and len(points) >= 3:
        draw.polygon(points, outline=1, fill=1)
    elif kind == "rectangle" and len(points) == 2:
        (left, right), (top, bottom) = (sorted(ends) for ends in zip(*points, strict=True))
        draw.rectangle((left, top, right, bottom), outline=1, fill=1)
    elif kind == "circle" and len(points) == 2:
        (x, y), end = points
        radius = math.dist((x, y), end)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)
    elif kind in _WITHOUT_AREA:
        raise UserError(
            f"{where}: a {kind} has no area; draw a polygon, or put {shape.get('label')!r} into "
            "ignored_labels."
        )
    else:
        raise UserError(f"{where}: {len(points)} points make no shape of the kind {kind!r}.")
    return np.array(canvas, bool)


def _points(shape: dict[str, Any], where: str) -> list[Point]:
    try:
        return [(float(x), float(y)) for x, y in shape["points"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: its points are not pairs of numbers.") from error


def _bitmap(
    shape: dict[str, Any], points: list[Point], size: tuple[int, int], where: str
) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as image:
            inside = np.asarray(image).astype(bool)
        (left, top), (right, bottom) = ((int(x), int(y)) for x, y in points)
        found = np.zeros(size, bool)
        found[top : bottom + 1, left : right + 1] = inside
    except (KeyError, TypeError, ValueError, OSError, binascii.Error) as error:
        raise UserError(f"{where}: its mask is not readable.") from error
    return found
