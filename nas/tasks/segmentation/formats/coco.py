"""COCO JSON (Lin et al. 2014, https://arxiv.org/abs/1405.0312): polygons and RLE in one file.

Where objects of different classes overlap, the smaller lies on top. Pixels of a crowd
(``iscrowd: 1``) are ignored, unless an object covers them.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.files import read_json
from nas.tasks.listing import below, composed
from nas.tasks.mask_files import turned_with
from nas.tasks.segmentation.formats.mask import (
    Labelled,
    Labels,
    Mask,
    MaskFormat,
    MaskLook,
    Painting,
    digest_of,
    listed,
)

_PARTS = ("images", "annotations", "categories")
_OVERLAPPING = "objects of different classes overlap; the smaller lies on top"
_CROWDS = "pixels of its crowds are ignored"


@dataclass(frozen=True)
class CocoMask(Mask):
    """The annotations of one image.

    Attributes:
        where: The JSON file and the image, for messages.
        image: The image file.
        shape: Height and width in pixels that the annotations are drawn on.
        annotations: Of the image: as the file has them, and the value of each.
        labels: What the labels mean.
    """

    where: str
    image: Path
    shape: tuple[int, int]
    annotations: tuple[tuple[dict[str, Any], int], ...] = field(repr=False)
    labels: Labels = field(repr=False)

    def __str__(self) -> str:
        return self.where

    def read(self) -> np.ndarray:
        return self.look().values

    def size(self) -> tuple[int, int]:
        return self.shape

    def digest(self) -> bytes:
        shapes = [
            (annotation["segmentation"], annotation.get("iscrowd", 0), value)
            for annotation, value in self.annotations
        ]
        return digest_of(repr((self.shape, self.labels.background)), json.dumps(shapes))

    def look(self) -> MaskLook:
        painted = self._painted()
        crowds = any(annotation.get("iscrowd") for annotation, _ in self.annotations)
        return MaskLook(
            turned_with(painted.values, self.image),
            treatment=(_OVERLAPPING,) * painted.overlapping + (_CROWDS,) * crowds,
        )

    def _painted(self) -> Painting:
        painting = Painting.empty(self.shape, self.labels)
        regions = [
            (self._region(annotation), value)
            for annotation, value in self.annotations
            if not annotation.get("iscrowd")
        ]
        for annotation, _ in self.annotations:
            if annotation.get("iscrowd"):
                painting.values[self._region(annotation)] = self.labels.ignored
        for region, value in sorted(regions, key=lambda one: -int(one[0].sum())):
            painting.put(region, value)
        return painting

    def _region(self, annotation: dict[str, Any]) -> np.ndarray:
        """The pixels of an annotation, H×W bool."""
        from pycocotools import mask as coco

        where = f"{self.where}: annotation {annotation.get('id')}"
        segmentation, (height, width) = annotation["segmentation"], self.shape
        if isinstance(segmentation, list):
            for polygon in segmentation:
                _check_polygon(polygon, where)
            codes = coco.merge(coco.frPyObjects(segmentation, height, width))
        else:
            codes = _run_lengths(segmentation, self.shape, where)
        return np.asarray(coco.decode(codes)).astype(bool)


class Coco(MaskFormat):
    """One JSON file tells the annotations of all images of a folder."""

    needs_every_mask = False

    def find(self, images: Path, masks: Path) -> Labelled:
        _require_library()
        content = _read(masks)
        labels = Labels.of(self._settings)
        pictures, problems = self._pictures(content, images, masks)
        values, more = _values(content, labels, masks)
        by_image, wrong = _by_image(content, values, masks)
        found: dict[str, Path] = {}
        made: dict[str, Mask] = {}
        for number, (name, path, shape) in pictures.items():
            if name in found:
                problems.append(f"{masks}: two images are called {name}.")
                continue
            if path.is_file():
                found[name] = path
            where = f"{masks}: {path.name}"
            made[name] = CocoMask(where, path, shape, tuple(by_image[number]), labels)
        notes = [*labels.notes(), *_unlisted(images, found, self._settings.reader.suffixes)]
        bare = [path.name for number, (_, path, _) in pictures.items() if not by_image[number]]
        if bare:
            what = "images have" if len(bare) > 1 else "image has"
            notes.append(f"{masks}: {len(bare)} {what} no annotation, for example {bare[0]}.")
        return Labelled(found, made, (*problems, *more, *wrong), tuple(notes))

    def _pictures(
        self, content: dict[str, Any], images: Path, path: Path
    ) -> tuple[dict[Any, tuple[str, Path, tuple[int, int]]], list[str]]:
        """Name, file, and height and width of each image by its id."""
        found, problems = {}, []
        for image in content["images"]:
            try:
                file, number = str(image["file_name"]), image["id"]
                shape = int(image["height"]), int(image["width"])
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f"{path}: an image has no id, file_name, height or width ({image})."
                ) from error
            self._settings.check_inside(file, str(path), images)
            if number in found:
                problems.append(f"{path}: two images have the id {number}.")
            name = composed(PurePosixPath(file.replace("\\", "/")).stem)
            found[number] = name, below(images, file), shape
        return found, problems

    def missing(self, name: str, masks: Path) -> str:
        return f"{masks} does not list {name}"


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path)
    for part in _PARTS:
        found = content.get(part) if isinstance(content, dict) else None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise UserError(f"{path}: no COCO file with annotations: it has no list {part!r}.")
    return dict(content)


def _category_names(content: dict[str, Any], path: Path) -> dict[Any, str]:
    try:
        return {one["id"]: str(one["name"]) for one in content["categories"]}
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: a category has no id or no name.") from error


def _values(
    content: dict[str, Any], labels: Labels, path: Path
) -> tuple[dict[Any, int], list[str]]:
    """Value of each category by its id, and a sentence for each that is used and is no class."""
    used = Counter(one.get("category_id") for one in content["annotations"])
    values, problems = {}, []
    for number, name in _category_names(content, path).items():
        if name in labels.values:
            values[number] = labels.values[name]
        elif used[number]:
            problems.append(
                f"{path}: the category {name!r} ({used[number]} annotations) is no class; add it "
                "to classes, or to ignored_labels if its pixels belong to none."
            )
    return values, problems


def _by_image(
    content: dict[str, Any], values: dict[Any, int], path: Path
) -> tuple[defaultdict[Any, list[tuple[dict[str, Any], int]]], list[str]]:
    """Annotations by the id of their image, and a sentence for each kind of mistake in them."""
    images = {image.get("id") for image in content["images"]}
    named = {one.get("id") for one in content["categories"]}
    wrong: defaultdict[str, list[Any]] = defaultdict(list)
    found: defaultdict[Any, list[tuple[dict[str, Any], int]]] = defaultdict(list)
    for annotation in content["annotations"]:
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if image not in images:
            wrong[f"has the image_id {image!r}, which no image has"].append(annotation.get("id"))
        elif category not in named:
            reason = f"has the category_id {category!r}, which no category has"
            wrong[reason].append(annotation.get("id"))
        elif not annotation.get("segmentation"):
            reason = "has no segmentation, and a box alone tells no pixels"
            wrong[reason].append(annotation.get("id"))
        elif category in values:
            found[image].append((annotation, values[category]))
    return found, [
        f"{path}: the annotation {ids[0]}{f' (and {len(ids) - 1} more)' if len(ids) > 1 else ''} "
        f"{reason}."
        for reason, ids in wrong.items()
    ]


def _unlisted(images: Path, found: dict[str, Path], suffixes: frozenset[str]) -> Iterator[str]:
    known = {path.resolve() for path in found.values()}
    left = [path for path in listed(images, suffixes).files if path.resolve() not in known]
    if left:
        yield (
            f"{images}: passed over {len(left)} {'images' if len(left) > 1 else 'image'} that the "
            f"annotations do not list, for example {left[0].name}."
        )


def _check_polygon(polygon: Any, where: str) -> None:
    numbers = isinstance(polygon, list) and all(isinstance(one, (int, float)) for one in polygon)
    if not numbers or len(polygon) < 6 or len(polygon) % 2:
        raise UserError(f"{where}: a polygon is a list of x and y of at least three points.")


def _run_lengths(segmentation: Any, shape: tuple[int, int], where: str) -> Any:
    from pycocotools import mask as coco

    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    counts = segmentation.get("counts") if isinstance(segmentation, dict) else None
    if size != list(shape):
        raise UserError(f"{where}: its RLE is of the size {size}, and its image of {list(shape)}.")
    if isinstance(counts, list):
        if sum(counts) != shape[0] * shape[1]:
            raise UserError(
                f"{where}: its RLE covers {sum(counts)} pixels, not those of its image."
            )
        return coco.frPyObjects(segmentation, *shape)
    if not isinstance(counts, str):
        raise UserError(f"{where}: its RLE has no counts.")
    return {"size": size, "counts": counts.encode()}


def _require_library() -> None:
    try:
        import pycocotools  # noqa: F401
    except ImportError as error:
        raise UserError(
            "COCO annotations need pycocotools; pip install 'nas-toolkit[coco]'."
        ) from error
