"""One small data set, written in every format of masks."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

CLASSES = ("background", "leaf", "fruit")
LEAF, FRUIT = (slice(20, 40), slice(0, 30)), (slice(5, 40), slice(30, 60))
COLOURS = {"background": (0, 0, 0), "leaf": (10, 200, 20), "fruit": (200, 10, 20)}
COUNT = 10


def mask(value_of_leaf: int = 1, value_of_fruit: int = 2) -> np.ndarray:
    """40x60 pixels, a leaf to the left and a fruit to the right."""
    values = np.zeros((40, 60), np.uint8)
    values[LEAF], values[FRUIT] = value_of_leaf, value_of_fruit
    return values


def region(part: tuple[slice, slice]) -> np.ndarray:
    """The pixels of a part."""
    inside = np.zeros((40, 60), bool)
    inside[part] = True
    return inside


def save(path: Path, pixels: np.ndarray) -> None:
    """Writes a PNG, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_image(path: Path) -> None:
    """Writes an image like no other."""
    pixels = np.stack([100 * mask()] * 3, axis=-1)
    pixels[:4, :4] = list(zlib.crc32(path.name.encode()).to_bytes(4, "big")[1:])
    save(path, pixels)


def describe(root: Path, **values: Any) -> Path:
    """Writes the task.yaml."""
    common = {"name": "plants", "classes": list(CLASSES), "input_size": [32, 48]}
    (root / "task.yaml").write_text(yaml.safe_dump({**common, **values}))
    return root


def names() -> list[str]:
    """Of the images."""
    return [f"{index:02d}" for index in range(COUNT)]


def index(root: Path) -> Path:
    """A value for each class."""
    for name in names():
        save_image(root / f"images/{name}.png")
        save(root / f"masks/{name}.png", mask())
    return describe(root, images="images", masks="masks")


def two_values(root: Path) -> Path:
    """0 and 255, a single class and its background."""
    for name in names():
        save_image(root / f"images/{name}.png")
        save(root / f"masks/{name}.png", mask(255, 255))
    classes = {0: "background", 255: "plant"}
    return describe(root, images="images", masks="masks", classes=classes)


def voc(root: Path) -> Path:
    """Palette PNG, lists of names, and a border that is ignored."""
    for name in names():
        save_image(root / f"JPEGImages/{name}.png")
        values = mask()
        values[0] = 255
        picture = Image.fromarray(values, "P")
        picture.putpalette([255, 255, 255, 0, 128, 0, 128, 0, 0] + 253 * [7, 7, 7])
        (root / "SegmentationClass").mkdir(exist_ok=True)
        picture.save(root / f"SegmentationClass/{name}.png")
    # An image without a mask, as most of VOC's are.
    save_image(root / "JPEGImages/unlabelled.png")
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(names()[:8]))
    (lists / "val.txt").write_text("\n".join(names()[8:9]))
    (lists / "test.txt").write_text("\n".join(names()[9:]))
    return describe(
        root,
        images="JPEGImages",
        masks="SegmentationClass",
        splits={
            "train": "ImageSets/Segmentation/train.txt",
            "validation": "ImageSets/Segmentation/val.txt",
            "test": "ImageSets/Segmentation/test.txt",
        },
    )


def colours(root: Path) -> Path:
    """A colour for each class."""
    table = np.array(list(COLOURS.values()), np.uint8)
    for name in names():
        save_image(root / f"images/{name}.png")
        save(root / f"masks/{name}.png", table[mask()])
    given = {"leaf": "#0ac814", "fruit": [200, 10, 20], "background": [[0, 0, 0], "#ffffff"]}
    return describe(root, format="colours", images="images", masks="masks", colours=given)


def class_folders(root: Path) -> Path:
    """A folder of masks for each class."""
    for name in names():
        save_image(root / f"images/{name}.png")
        for label, part in (("leaf", LEAF), ("fruit", FRUIT)):
            save(root / f"masks/{label}/{name}.png", region(part).astype(np.uint8) * 255)
    return describe(root, format="class_files", images="images", masks="masks")


def celeb(root: Path) -> Path:
    """CelebAMask-HQ: numbers, masks of half the size, in folders by number, none where empty."""
    for number, name in enumerate(names()):
        save_image(root / f"CelebA-HQ-img/{number}.png")
        for label, part in (("leaf", LEAF), ("fruit", FRUIT)):
            half = np.ascontiguousarray(region(part)[::2, ::2]).astype(np.uint8) * 255
            path = root / f"CelebAMask-HQ-mask-anno/{number % 2}/{int(name):05d}_{label}.png"
            save(path, np.stack([half] * 3, axis=-1))
    places = {"images": "CelebA-HQ-img", "masks": "CelebAMask-HQ-mask-anno"}
    return describe(root, format="class_files", **places)


def coco(root: Path) -> Path:
    """Polygons for leaves; RLE of both kinds, by the format's own tool, for fruits."""
    from pycocotools import mask as tool

    content: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 7, "name": "leaf"}, {"id": 3, "name": "fruit"}],
    }
    code = tool.encode(np.asfortranarray(region(FRUIT)))
    runs = [30 * 40 + 5, 35] + [5, 35] * 29
    for number, name in enumerate(names()):
        save_image(root / f"images/{name}.png")
        about = {"id": 100 + number, "file_name": f"{name}.png", "height": 40, "width": 60}
        content["images"].append(about)
        plain = {"size": [40, 60], "counts": runs}
        compressed = {"size": [40, 60], "counts": code["counts"].decode()}
        for category, shape in (
            (7, [[0, 20, 30, 20, 30, 40, 0, 40]]),
            (3, plain if number % 2 else compressed),
        ):
            content["annotations"].append(
                {
                    "id": len(content["annotations"]),
                    "image_id": 100 + number,
                    "category_id": category,
                    "iscrowd": 0,
                    "segmentation": shape,
                }
            )
    (root / "instances.json").write_text(json.dumps(content))
    return describe(root, format="coco", images="images", masks="instances.json")


def labelme(root: Path) -> Path:
    """A polygon and a bitmap beside each image."""
    stream = io.BytesIO()
    Image.new("1", (30, 35), 1).save(stream, "PNG")
    bitmap = base64.b64encode(stream.getvalue()).decode()
    for name in names():
        save_image(root / f"{name}.png")
        polygon = [[0, 20], [29, 20], [29, 39], [0, 39]]
        fruit = {"label": "fruit", "shape_type": "mask", "points": [[30, 5], [59, 39]]}
        content = {
            "shapes": [
                {"label": "leaf", "shape_type": "polygon", "points": polygon},
                {**fruit, "mask": bitmap},
            ],
            "imagePath": f"{name}.png",
            "imageHeight": 40,
            "imageWidth": 60,
        }
        (root / f"{name}.json").write_text(json.dumps(content))
    return describe(root, format="labelme", images=".", masks=".")


def cityscapes(root: Path) -> Path:
    """Its folders, and three of its labels."""
    for split, part in (("train", names()[:8]), ("val", names()[8:9]), ("test", names()[9:])):
        for name in part:
            stem = f"ulm_{name}_000019"
            save_image(root / f"leftImg8bit/{split}/ulm/{stem}_leftImg8bit.png")
            values = np.array([23, 7, 26], np.uint8)[mask()]
            save(root / f"gtFine/{split}/ulm/{stem}_gtFine_labelIds.png", values)
            # What the data set has beside them.
            save(root / f"gtFine/{split}/ulm/{stem}_gtFine_instanceIds.png", values)
    folders = {
        name: {"images": f"leftImg8bit/{split}", "masks": f"gtFine/{split}"}
        for name, split in (("train", "train"), ("validation", "val"), ("test", "test"))
    }
    classes = ["sky", "road", "car"]
    return describe(root, format="cityscapes", splits=folders, classes=classes)


FORMATS: dict[str, Callable[[Path], Path]] = {
    function.__name__: function
    for function in (
        index,
        two_values,
        voc,
        colours,
        class_folders,
        celeb,
        coco,
        labelme,
        cityscapes,
    )
}
