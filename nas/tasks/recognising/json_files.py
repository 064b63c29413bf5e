"""Recognises images whose classes are told by annotations in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json
from nas.tasks.recognising.recognised import Folder, Recognised, split_of
from nas.tasks.segmentation.formats.labelme import content_of_file
from nas.tasks.segmentation.formats.mask import BACKGROUND


def coco(folder: Folder) -> Recognised | None:
    """JSON files of COCO, and the folders of their images."""
    found: dict[Path, tuple[Path, dict[str, Any]]] = {}
    for path in folder.ending(".json"):
        content = _coco_content(path)
        images = None if content is None else _folder_of_images(folder, path, content)
        if content is not None and images is not None:
            found[path] = images, content
    if not found:
        return None
    splits = {split: path for path in reversed(found) if (split := split_of(folder.relative(path)))}
    chosen = splits if "train" in splits and len(splits) > 1 else {"": next(iter(found))}
    places = {
        split: {"images": folder.relative(found[path][0]), "masks": folder.relative(path)}
        for split, path in chosen.items()
    }
    names: dict[str, None] = {}
    pictures: list[Path] = []
    for path in chosen.values():
        images, content = found[path]
        used = {one.get("category_id") for one in content["annotations"]}
        named = [one for one in content["categories"] if one.get("id") in used]
        names |= dict.fromkeys(str(one["name"]) for one in named)
        pictures += [images / str(one.get("file_name")) for one in content["images"]]
    classes = list(names) if BACKGROUND in names else [BACKGROUND, *names]
    ordered = {split: places[split] for split in ("train", "validation", "test") if split in places}
    values: dict[str, Any] = {"format": "coco", "classes": classes}
    values |= {"splits": ordered} if ordered else places[""]
    advice = ["Pixels that no annotation covers are the background, which is a class."]
    left = [path for path in found if path not in chosen.values()]
    if left:
        advice.append(f"{folder.relative(left[0])} is a file of COCO too, and is left out.")
    told = ", ".join(folder.relative(path) for path in chosen.values())
    existing = [path for path in pictures if path.is_file()]
    every = frozenset([*existing, *chosen.values()])
    return Recognised(f"COCO annotations ({told})", values, tuple(existing), every, tuple(advice))


def labelme(folder: Folder) -> Recognised | None:
    """JSON files of LabelMe beside their images, or in a folder of their own."""
    files = [path for path in folder.ending(".json") if _is_labelme(path)]
    if not files:
        return None
    masks = files[0].parent
    files = [path for path in files if path.parent == masks]
    stems = {path.stem for path in files}
    fitting = {images: len(stems & pictures.keys()) for images, pictures in folder.images.items()}
    images = max(fitting, key=fitting.__getitem__, default=None)
    if images is None or not fitting[images]:
        return None
    labels: dict[str, None] = {}
    for path in files:
        shapes = content_of_file(path)["shapes"]
        labels |= dict.fromkeys(str(shape.get("label")) for shape in shapes)
    ignored = [name for name in labels if name.startswith("__")]
    classes = sorted(name for name in labels if name not in ignored and name != BACKGROUND)
    values: dict[str, Any] = {
        "format": "labelme",
        "images": folder.relative(images),
        "masks": folder.relative(masks),
        "classes": [BACKGROUND, *classes],
    }
    if ignored:
        values["ignored_labels"] = ignored
    pictures = folder.images[images]
    used = [path for name, path in pictures.items() if name in stems] + files
    advice = (
        "Pixels that no shape covers are the background, and later shapes lie on top of earlier "
        "ones.",
    )
    return Recognised(
        "LabelMe annotations", values, tuple(pictures.values()), frozenset(used), advice
    )


def _coco_content(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except UserError:
        return None
    parts = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(part), list) and all(isinstance(one, dict) for one in content[part])
        for part in parts
    ):
        return None
    drawn = any(one.get("segmentation") for one in content["annotations"])
    named = all("id" in one and "name" in one for one in content["categories"])
    return content if drawn and named and content["images"] else None


def _folder_of_images(folder: Folder, path: Path, content: dict[str, Any]) -> Path | None:
    """The folder that the names of the images start from."""
    name = str(content["images"][0].get("file_name"))
    split = split_of(folder.relative(path))
    places = sorted(
        {path.parent, folder.root, *folder.images},
        key=lambda place: (split_of(folder.relative(place)) != split, len(place.parts), place),
    )
    return next((place for place in places if (place / name).is_file()), None)


def _is_labelme(path: Path) -> bool:
    try:
        content_of_file(path)
    except UserError:
        return False
    return True
