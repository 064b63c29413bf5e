"""Reads the masks that image files are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from nas.errors import UserError
from nas.tasks.image_files import (
    LOSSY,
    LYING,
    header,
    is_16_bit,
    is_deep,
    is_transparent,
    opened,
    orientation,
    stored_mode,
    upright,
)

# Pillow stretches the values of PNG masks with 2 or 4 bits per pixel over 0 to 255.
_STRETCHED = {"L;2": 85, "L;4": 17}


def _refuse_lossy(path: Path, image: Image.Image, what: str, remedy: str) -> None:
    if image.format in LOSSY:
        raise UserError(
            f"{path}: in truth a {image.format}, whose {what} are not exact; save the mask as "
            f"{remedy}."
        )


def read_mask(path: Path) -> np.ndarray:
    """Reads the values of an index PNG, turned upright as its EXIF data say.

    Returns:
        H×W uint8.

    Raises:
        UserError: If the file is not a PNG of one channel with values up to 255, or is damaged.
    """
    with opened(path) as image:
        _refuse_lossy(path, image, "values", "an index PNG")
        if is_16_bit(image):
            deep = np.asarray(image)
            if deep.max(initial=0) > 255:
                raise UserError(
                    f"{path}: a mask holds values from 0 to 255, this file has {deep.max()}; save "
                    "it as an index PNG."
                )
            return upright(deep.astype(np.uint8), image)
        if image.mode not in ("L", "P", "1"):
            raise UserError(
                f"{path}: a mask holds one 8-bit value per pixel, this file has mode "
                f"{image.mode}; save it as an index PNG."
            )
        values = np.array(image, dtype=np.uint8) // _STRETCHED.get(stored_mode(image), 1)
        return upright(values, image)


def read_colours(path: Path) -> np.ndarray:
    """Reads the colours of a mask, turned upright as its EXIF data say.

    Returns:
        H×W×3 uint8.

    Raises:
        UserError: If the colours are not exact, the file is transparent somewhere, or damaged.
    """
    with opened(path) as image:
        _refuse_lossy(path, image, "colours", "a PNG")
        if is_deep(image):
            raise UserError(f"{path}: more than 8 bits per channel; save the mask as an 8-bit PNG.")
        if is_transparent(image) and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            raise UserError(f"{path}: transparent pixels have no colour; save it without any.")
        return upright(np.asarray(image.convert("RGB")), image)


def read_region(path: Path) -> np.ndarray:
    """Reads the mask of a single class, turned upright as its EXIF data say.

    Returns:
        H×W bool, where its values are above 0.

    Raises:
        UserError: If it has more than two values, or cannot be read.
    """
    with opened(path) as image:
        # The numbers of a palette tell more than its colours, of which 0 may be any.
        plain = image.mode in ("1", "L", "P")
        stored = upright(np.array(image, dtype=np.uint8), image) if plain else None
    values = read_colours(path).max(axis=-1) if stored is None else stored
    found = np.unique(values)
    if len(found) > 2 or (len(found) == 2 and found[0] > 0):
        raise UserError(
            f"{path}: the mask of one class has two values, 0 and another, and this one has "
            f"{', '.join(map(str, found[:5].tolist()))}{' and more' if len(found) > 5 else ''}."
        )
    return values > 0


def mask_palette(path: Path, values: np.ndarray) -> dict[int, tuple[int, ...]]:
    """The colour of each value of a mask with a palette; empty for one without.

    Args:
        path: The file, whose pixels are not read.
        values: What `read_mask` gives of it.
    """
    with header(path) as image:
        if image is None or image.mode != "P":
            return {}
        colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    found = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    return {int(one): tuple(map(int, colours[one])) for one in found if one < len(colours)}


def turned_with(values: np.ndarray, path: Path) -> np.ndarray:
    """Turns what was annotated on the stored pixels of an image as the image is turned.

    Annotation tools show an image upright, and so do most files say its size. Where the size of the
    annotations is that of the stored pixels, and not that of the upright image, they were made on
    these.

    Args:
        values: H×W.
        path: The image.
    """
    with header(path) as image:
        if image is None or image.width == image.height:
            return values
        lies = orientation(image) >= LYING and values.shape == (image.height, image.width)
        return upright(values, image) if lies else values
