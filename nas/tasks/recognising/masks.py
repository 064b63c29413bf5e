"""What masks hold, and how their classes may be called."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nas.errors import UserError
from nas.files import read_text
from nas.tasks.mask_files import read_colours, read_mask
from nas.tasks.recognising.recognised import Folder, spread
from nas.tasks.segmentation.formats.colours import packed

_READ = 500
_MOST_CLASSES = 255
_LISTS = ("classes.txt", "labels.txt", "class_names.txt", "names.txt")
_TABLES = ("label_colors.txt", "labelmap.txt", "class_dict.csv", "colors.txt", "colormap.txt")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Content:
    """What the masks of a task hold.

    Attributes:
        what: How classes are stored, as a clause.
        values: The keys of a task.yaml that tell it.
        advice: What a user may have to change.
    """

    what: str
    values: dict[str, Any]
    advice: list[str] = field(default_factory=list)


def is_mask(path: Path) -> bool:
    """Whether a file may be a mask: no photograph, of at most 64 values or colours."""
    try:
        with Image.open(path) as image:
            plain = image.mode in ("1", "L", "P", "I;16", "I")
        pixels = read_mask(path) if plain else packed(read_colours(path))
    # Whatever it is, it is no mask.
    except (UserError, OSError, SyntaxError, ValueError):
        return False
    return len(np.unique(pixels)) <= 64


def is_coloured(path: Path) -> bool:
    """Whether a mask has a colour for each class instead of a value."""
    with Image.open(path) as image:
        return image.mode not in ("1", "L", "P", "I;16", "I")


def content_of_masks(masks: list[Path], folder: Folder, names: tuple[str, ...] = ()) -> Content:
    """Looks at the masks of a task.

    Args:
        masks: All of them; several hundred are read.
        folder: Where lists of classes may lie.
        names: Names of the classes by their values, if the layout tells them.

    Raises:
        UserError: If a mask cannot be read.
    """
    looked = spread(masks, _READ)
    coloured = is_coloured(looked[0])
    content = _colours(looked, folder) if coloured else _values(looked, folder, names)
    if len(looked) < len(masks):
        content.advice.append(
            f"{len(looked)} of {len(masks)} masks were read; nas task check reads all and names "
            "what is missing here."
        )
    return content


def _values(masks: list[Path], folder: Folder, names: tuple[str, ...]) -> Content:
    found = np.unique(np.concatenate([np.unique(read_mask(path)) for path in masks])).tolist()
    if found in ([0, 255], [255]):
        return Content(
            "masks of 0 and 255",
            {"classes": {0: "background", 255: "object"}},
            ["255 is taken for a class called object; rename it."],
        )
    advice, values = [], {}
    classes = [value for value in found if value != 255]
    if 255 in found:
        values["ignore_index"] = 255
        advice.append("The value 255 is ignored; add it to classes if it is one.")
    # The classes of a published data set are meant where the last of them occurs.
    known = _listed(folder) or (names if max(classes, default=0) == len(names) - 1 else ())
    if known and max(classes, default=0) < len(known):
        return Content("index PNG masks", {"classes": list(known), **values}, advice)
    advice.append(
        f"The masks have the values {_ranges(classes)}, and no file tells what they are called; "
        f"rename {', '.join(list(_names(classes).values())[:2])} and so on."
    )
    called = _names(classes)
    whole = classes == list(range(len(classes)))
    listed: Any = list(called.values()) if whole else called
    return Content("index PNG masks", {"classes": listed, **values}, advice)


def _names(values: list[int]) -> dict[int, str]:
    return {value: "background" if value == 0 else f"class_{value}" for value in values}


def _colours(masks: list[Path], folder: Folder) -> Content:
    found: set[int] = set()
    for path in masks:
        found.update(np.unique(packed(read_colours(path))).tolist())
        if len(found) > _MOST_CLASSES:
            raise UserError(
                f"{path}: the masks have more than {_MOST_CLASSES} colours so far, so that no "
                "colour can stand for a class; save them without smoothing."
            )
    table, source = _table(folder)
    missing = sorted(found - table.keys())
    called = {**table, **{colour: _called(colour) for colour in missing}}
    # Colours that a table names and no mask has stay: other masks may have them.
    colours: dict[str, Any] = {}
    for colour, name in called.items():
        colours.setdefault(name, []).append(f"#{colour:06x}")
    single = {name: one[0] if len(one) == 1 else one for name, one in colours.items()}
    advice = []
    if missing:
        what = "colour" if len(missing) == 1 else "colours"
        rest = f" that {source.name} does not name" if source else ""
        advice.append(
            f"The masks have {len(missing)} {what}{rest}; rename {_called(missing[0])} and so on, "
            "and move what is no class from classes to ignored_labels."
        )
    values = {"format": "colours", "classes": list(single), "colours": single}
    told = f" named by {source.name}" if source else ""
    return Content(f"colour-coded masks{told}", values, advice)


def _called(colour: int) -> str:
    return "background" if colour == 0 else f"colour_{colour:06x}"


def _listed(folder: Folder) -> tuple[str, ...]:
    """The names of a list of classes, one in a line."""
    for name in _LISTS:
        path = folder.root / name
        if path.is_file():
            lines = [line.strip() for line in read_text(path).split("\n") if line.strip()]
            if len(set(lines)) == len(lines) >= 2:
                return tuple(lines)
    return ()


def _table(folder: Folder) -> tuple[dict[int, str], Path | None]:
    """The colours that a list of CamVid, CVAT or others names, by colour."""
    for name in _TABLES:
        path = folder.root / name
        if path.is_file():
            found = dict(
                row for line in read_text(path).split("\n") if (row := _row(line)) is not None
            )
            if found:
                return found, path
    return {}, None


def _row(line: str) -> tuple[int, str] | None:
    """Colour and name of a line such as ``64 128 64 Animal`` or ``road:128,64,128::``."""
    text = line.split("#", 1)[0].strip()
    numbers = [int(one) for one in _NUMBER.findall(text)]
    words = [
        part.strip()
        for part in next(csv.reader([re.sub(r"[:\t;]", ",", text)]), [])
        if part.strip() and not part.strip().replace(" ", "").isdecimal()
    ]
    if not words or len(numbers) < 3:
        return None
    name = re.sub(r"^[\d\s]+", "", words[0]).strip()
    colour = numbers[-3:] if not text[0].isdecimal() else numbers[:3]
    if not name or max(colour) > 255:
        return None
    return (colour[0] << 16) | (colour[1] << 8) | colour[2], name


def _ranges(values: list[int]) -> str:
    if len(values) > 8 and values == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values[:8])) + (" and more" if len(values) > 8 else "")
