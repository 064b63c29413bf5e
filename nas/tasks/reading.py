"""Reads one image or one mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from nas.errors import UserError

# Pillow stretches the values of PNG masks with 2 or 4 bits per pixel over 0 to 255.
_STRETCHED = {"L;2": 85, "L;4": 17}


def _image_suffixes() -> frozenset[str]:
    Image.init()
    return frozenset(Image.registered_extensions())


IMAGE_SUFFIXES = _image_suffixes()
"""Suffixes of the files that count as images, in lower case."""


def read_image(path: Path) -> Image.Image:
    """Reads an image as RGB.

    Raises:
        UserError: If the file is not an image, or is damaged.
    """
    with _opened(path) as image:
        return image.convert("RGB")


def read_8_bit_image(path: Path) -> Image.Image:
    """Reads an image as RGB, and refuses one whose values 8 bits do not hold.

    Raises:
        UserError: If the file is not an image, is damaged, or has more than 8 bits per channel.
    """
    with _opened(path) as image:
        # Pillow would clip these values, and leave an image that is white all over.
        if image.mode.startswith(("I", "F")):
            raise UserError(
                f"{path}: more than 8 bits per channel (mode {image.mode}); save it with 8 bits."
            )
        return image.convert("RGB")


def read_mask(path: Path) -> np.ndarray:
    """Reads the values of an index PNG.

    Returns:
        H×W uint8.

    Raises:
        UserError: If the file is not a PNG of one 8-bit channel, or is damaged.
    """
    with _opened(path) as image:
        if image.mode not in ("L", "P", "1"):
            raise UserError(
                f"{path}: a mask holds one 8-bit value per pixel, this file has mode "
                f"{image.mode}; save it as an index PNG."
            )
        return np.array(image, dtype=np.uint8) // _STRETCHED.get(_stored_mode(image), 1)


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        # The tile list, which tells the stored mode, is gone once the pixels are loaded.
        image.info["stored_mode"] = _tile_mode(image)
        image.load()
    # Pillow raises SyntaxError for a broken PNG and ValueError for damaged chunks.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()) if error.args else type(error).__name__
        raise UserError(f"{path}: not a readable image ({reason}).") from error
    return image


def _tile_mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", ())
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else ""


def _stored_mode(image: Image.Image) -> str:
    return str(image.info["stored_mode"])
