"""Opens image files, and turns them upright."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from nas.errors import UserError

LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF")
"""Formats, as Pillow names them, in which values are not exact."""

# Formats whose numbers of 32 bits hold 16.
_WORDS = ("PNG", "PPM")
_POINTER = b"version https://git-lfs"

UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""How the stored pixels have to be turned to stand upright, by the number in the EXIF data."""

LYING = 5
"""From this number on, height and width change places."""


def _image_suffixes() -> frozenset[str]:
    Image.init()
    return frozenset(Image.registered_extensions())


IMAGE_SUFFIXES = _image_suffixes()
"""Suffixes of the files that Pillow reads, in lower case."""


def opened(path: Path, decoded: bool = True) -> Image.Image:
    """Opens an image.

    Args:
        path: The file.
        decoded: Whether to decode its pixels at once, which is where damage shows.

    Raises:
        UserError: If there is none, it is damaged, or far too large.
    """
    if path.exists() and not path.is_file():
        # A pipe would wait for somebody to write to it.
        raise UserError(f"{path}: this is not a file; remove it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)
        # The tile list, which tells the stored mode, is gone once the pixels are loaded.
        image.info["stored_mode"] = _tile_mode(image)
        if image.format == "TIFF":
            # Pillow turns these by itself when it decodes them, and forgets the number.
            image.info["stored_orientation"] = orientation(image)
        if decoded:
            image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise UserError(
            f"{path}: the image is too large to be read, with more than {most:.0f} megapixels; "
            "scale it down."
        ) from error
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no such image; bring the file, or take it off the list."
        ) from error
    # Pillow raises SyntaxError for a broken PNG and ValueError for damaged chunks.
    except (OSError, SyntaxError, ValueError) as error:
        if _is_pointer(path):
            raise UserError(
                f"{path}: Git LFS has not fetched this file; run git lfs pull."
            ) from error
        reason = " ".join(str(error).split()) if error.args else type(error).__name__
        raise UserError(f"{path}: not a readable image ({reason}).") from error
    return image


@contextmanager
def header(path: Path) -> Iterator[Image.Image | None]:
    """An image whose pixels are not read; None if it is not readable, which its reader tells."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path) if path.is_file() else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        image = None
    if image is None:
        yield None
        return
    with image:
        yield image


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of an image file as stored; its pixels are not read.

    Raises:
        UserError: If it is no image.
    """
    with opened(path, decoded=False) as image:
        return image.height, image.width


def upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turns the stored pixels of an image, H×W or H×W×C, as its EXIF data say."""
    turn = UPRIGHT.get(orientation(image))
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def orientation(image: Image.Image) -> int:
    """How an image is stored, by the number in its EXIF data; 1 is upright."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    # Damaged EXIF data are no reason to refuse the image.
    except (SyntaxError, ValueError, TypeError, OSError, struct.error):
        return 1


def stored_orientation(image: Image.Image) -> int:
    """How an opened image was stored, which Pillow may have turned already."""
    return int(image.info.get("stored_orientation") or orientation(image))


def is_deep(image: Image.Image) -> bool:
    """Whether an image has more than 8 bits per channel, which Pillow would clip."""
    return image.mode.startswith(("I", "F"))


def is_16_bit(image: Image.Image) -> bool:
    """Whether the values of an image are whole numbers of 16 bits."""
    # Pillow opens some 16-bit files, such as PGM, as numbers of 32 bits.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in _WORDS)


def is_transparent(image: Image.Image) -> bool:
    """Whether an image tells how transparent its pixels are."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def stored_mode(image: Image.Image) -> str:
    """The mode of an opened image before Pillow decoded it, with its bits per value."""
    return str(image.info["stored_mode"])


def _tile_mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", ())
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else ""


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False
