"""Recognises images with masks in files of their own."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.tasks.mask_files import read_mask
from nas.tasks.recognising.masks import content_of_masks, is_coloured, is_mask
from nas.tasks.recognising.recognised import Folder, Recognised, is_lossy, split_of, spread
from nas.tasks.segmentation.formats import cityscapes as city

_VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
_CELEB = (
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth"),
    *("u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
_CELEB_PAIRS = [["l_eye", "r_eye"], ["l_brow", "r_brow"], ["l_ear", "r_ear"]]
_WORDS = ("mask", "label", "annot", "seg", "gt", "groundtruth", "ground_truth", "target")
_SEPARATORS = "_-."
# Numbers of what is no part of the scene.
_VOID = frozenset(range(4))
_LOOKED_AT = 4


def cityscapes(folder: Folder) -> Recognised | None:
    """The folders `leftImg8bit` and `gtFine`, or `gtCoarse`, of Cityscapes."""
    images = folder.root / "leftImg8bit"
    masks = next(
        (path for name in ("gtFine", "gtCoarse") if (path := folder.root / name).is_dir()), None
    )
    if masks is None or not images.is_dir():
        return None
    splits, used = {}, set[Path]()
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        found = folder.images_below(images / name)
        labels = [
            one
            for one in folder.images_below(masks / name)
            if one.stem.endswith(city.MASK_ENDS) and not _is_empty_city(one, split)
        ]
        if found and labels:
            splits[split] = {"images": f"leftImg8bit/{name}", "masks": f"{masks.name}/{name}"}
            used |= {*found, *labels}
    if "train" not in splits:
        return None
    classes = [name for name in city.LABELS if name not in city.NO_EVALUATION]
    advice = ["Classes are the 19 of the benchmark; pixels of the other labels are ignored."]
    values = {"format": "cityscapes", "splits": splits, "classes": classes}
    return Recognised("Cityscapes", values, _some(used, images), frozenset(used), tuple(advice))


def _is_empty_city(mask: Path, split: str) -> bool:
    """Whether a mask is one of the published test split, which tells no class."""
    return split == "test" and set(np.unique(read_mask(mask)).tolist()) <= _VOID


def voc(folder: Folder) -> Recognised | None:
    """The folders of Pascal VOC."""
    images, masks = folder.root / "JPEGImages", folder.root / "SegmentationClass"
    pictures, labels = folder.images.get(images, {}), folder.images.get(masks, {})
    if not pictures.keys() & labels.keys():
        return None
    lists = folder.root / "ImageSets" / "Segmentation"
    named = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}
    splits = {
        split: f"ImageSets/Segmentation/{name}"
        for split, name in named.items()
        if (lists / name).is_file()
    }
    content = content_of_masks(list(labels.values()), folder, _VOC)
    values = {"images": "JPEGImages", "masks": "SegmentationClass", **content.values}
    advice = list(content.advice)
    if "train" in splits:
        values["splits"] = splits
    elif pictures.keys() - labels.keys():
        advice.append("Not every image has a mask, and no list in ImageSets/Segmentation says so.")
    if values["classes"] == list(_VOC):
        advice.append("Classes are the 21 of Pascal VOC.")
    used = [path for name, path in pictures.items() if name in labels] + list(labels.values())
    used += [folder.root / path for path in splits.values()]
    what = f"the layout of Pascal VOC with {content.what}"
    return Recognised(what, values, tuple(pictures.values()), frozenset(used), tuple(advice))


def celeb(folder: Folder) -> Recognised | None:
    """The folders of CelebAMask-HQ."""
    images, masks = folder.root / "CelebA-HQ-img", folder.root / "CelebAMask-HQ-mask-anno"
    pictures, labels = folder.images_below(images), folder.images_below(masks)
    if not pictures or not labels:
        return None
    known = {name for path in labels for name in _CELEB if path.stem.endswith(f"_{name}")}
    classes = ["background", *(name for name in _CELEB if name in known)]
    values = {
        "format": "class_files",
        "images": images.name,
        "masks": masks.name,
        "classes": classes,
        "pairs": [pair for pair in _CELEB_PAIRS if set(pair) <= known],
    }
    return Recognised("CelebAMask-HQ", values, tuple(pictures), frozenset([*pictures, *labels]))


@dataclass(frozen=True)
class _Pair:
    """A folder of images and one of masks with their names."""

    images: Path
    masks: Path
    names: frozenset[str]


def folders_of_masks(folder: Folder) -> Recognised | None:
    """Folders of images beside folders of masks with the same names."""
    several = _class_folders(folder) or _class_endings(folder)
    if several is not None:
        return several
    pairs = _pairs(folder)
    if not pairs:
        return None
    splits: dict[str, _Pair] = {}
    for pair in pairs:
        split = split_of(folder.relative(pair.images))
        if split is not None:
            splits.setdefault(split, pair)
    chosen = list(splits.values()) if "train" in splits and len(splits) > 1 else pairs[:1]
    masks = [folder.images[pair.masks][name] for pair in chosen for name in sorted(pair.names)]
    images = [folder.images[pair.images][name] for pair in chosen for name in sorted(pair.names)]
    content = content_of_masks(masks, folder)
    values: dict[str, Any] = {}
    if len(chosen) > 1:
        values["splits"] = {
            split: _places(folder, splits[split])
            for split in ("train", "validation", "test")
            if split in splits
        }
    else:
        values |= _places(folder, chosen[0])
    advice = list(content.advice)
    left = [pair for pair in pairs if pair not in chosen]
    if left:
        advice.append(
            f"{folder.relative(left[0].images)} with {folder.relative(left[0].masks)} could be "
            "images and masks too, and is left out."
        )
    named = ", ".join(
        f"{folder.relative(pair.images)} with {folder.relative(pair.masks)}" for pair in chosen
    )
    what = f"images and {content.what} of their names ({named})"
    used = frozenset([*images, *masks])
    return Recognised(what, values | content.values, tuple(images), used, tuple(advice))


def _closeness(folder: Folder, pair: _Pair) -> tuple[bool, int, int]:
    """How much speaks for a pair: numbered images have the names of those of other splits too."""
    same_split = split_of(folder.relative(pair.images)) == split_of(folder.relative(pair.masks))
    shared = len(Path(os.path.commonpath([pair.images, pair.masks])).parts)
    return same_split, len(pair.names), shared


def _places(folder: Folder, pair: _Pair) -> dict[str, str]:
    return {"images": folder.relative(pair.images), "masks": folder.relative(pair.masks)}


def _pairs(folder: Folder) -> list[_Pair]:
    """Pairs of folders, those with the most images first."""
    found = []
    for images, pictures in folder.images.items():
        if _is_called_mask(folder, images):
            continue
        candidates = [
            _Pair(images, masks, frozenset(pictures.keys() & files.keys()))
            for masks, files in folder.images.items()
            if masks != images
        ]
        fitting = [pair for pair in candidates if _fits(folder, pair)]
        if fitting:
            found.append(max(fitting, key=lambda pair: _closeness(folder, pair)))
    return sorted(found, key=lambda pair: (-len(pair.names), pair.images))


def _fits(folder: Folder, pair: _Pair) -> bool:
    pictures, masks = folder.images[pair.images], folder.images[pair.masks]
    if 2 * len(pair.names) < min(len(pictures), len(masks)) or not pair.names:
        return False
    some = spread([masks[name] for name in sorted(pair.names)], _LOOKED_AT)
    if not all(path.suffix.lower() == ".png" and is_mask(path) for path in some):
        return False
    if _is_called_mask(folder, pair.masks):
        return True
    image = pictures[min(pair.names)]
    if not is_lossy(image) and is_mask(image):
        return False
    return not is_coloured(some[0]) or not is_mask(image)


def _is_called_mask(folder: Folder, path: Path) -> bool:
    name = folder.relative(path).lower()
    return any(word in name for word in _WORDS)


def _class_folders(folder: Folder) -> Recognised | None:
    """A folder of masks for each class."""
    by_parent: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in folder.images:
        by_parent[path.parent].append(path)
    for parent, inner in by_parent.items():
        if parent == folder.root or len(inner) < 2 or not _is_called_mask(folder, parent):
            continue
        names = set().union(*(folder.images[path].keys() for path in inner))
        images = next(
            (
                path
                for path, files in folder.images.items()
                if path not in inner and 2 * len(names & files.keys()) >= len(names)
            ),
            None,
        )
        masks = [path for one in inner for path in folder.images[one].values()]
        if images is None or not all(map(is_mask, spread(masks, _LOOKED_AT))):
            continue
        if any(split_of(path.name) for path in inner):
            continue
        classes = sorted(path.name for path in inner)
        return _of_class_files(folder, images, parent, classes, masks)
    return None


def _class_endings(folder: Folder) -> Recognised | None:
    """Masks whose names are those of images with the name of a class at their end."""
    for masks, files in folder.images.items():
        if not _is_called_mask(folder, masks):
            continue
        for images, pictures in folder.images.items():
            if images == masks or pictures.keys() & files.keys():
                continue
            endings: set[str] = set()
            covered = 0
            for stem in files:
                starts = [
                    name
                    for place, one in enumerate(stem)
                    if one in _SEPARATORS and (name := stem[:place]) in pictures
                ]
                if starts:
                    covered += 1
                    endings.add(stem[len(max(starts, key=len)) + 1 :])
            if 2 * covered > len(files) and 2 <= len(endings) <= 64:
                return _of_class_files(folder, images, masks, sorted(endings), list(files.values()))
    return None


def _of_class_files(
    folder: Folder, images: Path, masks: Path, classes: list[str], files: list[Path]
) -> Recognised:
    pictures = list(folder.images[images].values())
    named = classes if "background" in classes else ["background", *classes]
    values = {
        "format": "class_files",
        "images": folder.relative(images),
        "masks": folder.relative(masks),
        "classes": named,
    }
    advice = (
        "Where masks overlap, the later class lies on top: order the classes accordingly. Pixels "
        "of no mask are the background.",
    )
    what = f"images ({folder.relative(images)}) and a mask file for each class"
    return Recognised(what, values, tuple(pictures), frozenset([*pictures, *files]), advice)


def _some(used: set[Path], images: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in used if path.is_relative_to(images)))
