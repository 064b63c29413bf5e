"""Reads one image or one mask."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageSequence

from nas.errors import UserError
from nas.tasks.inputs import Channels

# Pillow stretches the values of PNG masks with 2 or 4 bits per pixel over 0 to 255.
_STRETCHED = {"L;2": 85, "L;4": 17}
_ARRAY = ".npy"
# How the stored pixels have to be turned to stand upright, by the number in the EXIF data.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}


def _image_suffixes() -> frozenset[str]:
    Image.init()
    return frozenset(Image.registered_extensions())


IMAGE_SUFFIXES = _image_suffixes()
"""Suffixes of the files that Pillow reads, in lower case."""


def image_suffixes(channels: Channels) -> frozenset[str]:
    """Suffixes, in lower case, of the files that count as images.

    Arrays are among them only if the channels are counted: beside photographs they are something
    else.
    """
    return IMAGE_SUFFIXES | {_ARRAY} if isinstance(channels, int) else IMAGE_SUFFIXES


def read_image(path: Path, channels: Channels = "rgb") -> np.ndarray:
    """Reads an image, turned upright as its EXIF data say.

    Args:
        path: A file that Pillow reads; for counted channels also an array (.npy) H×W×C uint8, or
            a TIFF with a page for each.
        channels: What to read the file as. Any number of channels has to be that of the file.

    Returns:
        H×W×C uint8.

    Raises:
        UserError: If the file is not such an image, is damaged, or has more than 8 bits per
            channel.
    """
    if isinstance(channels, int):
        return _read_bands(path, channels)
    with _opened(path) as image:
        _refuse_many_bits(path, image)
        if channels == "rgb":
            return _upright(np.asarray(image.convert("RGB")), image)
        return _upright(np.asarray(image.convert("L")), image)[..., None]


def read_mask(path: Path) -> np.ndarray:
    """Reads the values of an index PNG, turned upright as its EXIF data say.

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
        values = np.array(image, dtype=np.uint8) // _STRETCHED.get(_stored_mode(image), 1)
        return _upright(values, image)


def resize(
    pixels: np.ndarray,
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Resizes an image with bilinear interpolation, averaging what becomes smaller.

    Args:
        pixels: H×W×C uint8.
        size: Height and width of the result in pixels.
        box: Left, top, right and bottom of the part to take; all of it unless given.

    Returns:
        H×W×C uint8.
    """
    height, width = size
    channels = pixels.shape[-1]
    # Pillow takes three channels at once, and others one by one.
    planes = [pixels] if channels == 3 else [pixels[..., index] for index in range(channels)]
    resized = [
        np.asarray(
            Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR, box=box)
        )
        for plane in planes
    ]
    return resized[0] if channels == 3 else np.stack(resized, axis=-1)


def _read_bands(path: Path, channels: int) -> np.ndarray:
    pixels = _read_array(path) if path.suffix.lower() == _ARRAY else _read_stored(path)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[-1] != channels:
        stored = "x".join(map(str, pixels.shape))
        raise UserError(
            f"{path}: the task says {channels} channels, height x width x {channels}, but the file "
            f"holds {stored}; correct the file, or channels in the task."
        )
    return pixels


def _read_array(path: Path) -> np.ndarray:
    try:
        pixels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable array ({reason}).") from error
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        kind = getattr(pixels, "dtype", "no array")
        raise UserError(f"{path}: an image is an array of uint8, not of {kind}; convert it.")
    return pixels


def _read_stored(path: Path) -> np.ndarray:
    """The bands of an image as they are stored; the pages of a file that has several."""
    with _opened(path) as image:
        pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
        _refuse_many_bits(path, image)
        if image.mode in ("1", "P"):
            raise UserError(
                f"{path}: a palette or single bits (mode {image.mode}) are no channels; save it "
                "with 8 bits per channel."
            )
        if len(pages) == 1:
            return _upright(pages[0], image)
        if len({page.shape for page in pages}) > 1 or pages[0].ndim != 2:
            raise UserError(f"{path}: its pages are not one channel each, of one size.")
        return _upright(np.stack(pages, axis=-1), image)


def _refuse_many_bits(path: Path, image: Image.Image) -> None:
    # Pillow would clip these values, and leave an image that is white all over.
    if image.mode.startswith(("I", "F")):
        raise UserError(
            f"{path}: more than 8 bits per channel (mode {image.mode}); save it with 8 bits."
        )


def _opened(path: Path) -> Image.Image:
    if path.exists() and not path.is_file():
        # A pipe would wait for somebody to write to it.
        raise UserError(f"{path}: this is not a file; remove it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)
        # The tile list, which tells the stored mode, is gone once the pixels are loaded.
        image.info["stored_mode"] = _tile_mode(image)
        image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise UserError(
            f"{path}: the image is too large to be read, with more than {most:.0f} megapixels; "
            "scale it down."
        ) from error
    # Pillow raises SyntaxError for a broken PNG and ValueError for damaged chunks.
    except (OSError, SyntaxError, ValueError) as error:
        reason = " ".join(str(error).split()) if error.args else type(error).__name__
        raise UserError(f"{path}: not a readable image ({reason}).") from error
    return image


def _upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    try:
        # Pillow turns TIFF images by itself, and forgets the number then.
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except SyntaxError:
        # Damaged EXIF data are no reason to refuse the image.
        return pixels
    turn = _UPRIGHT.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _tile_mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", ())
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else ""


def _stored_mode(image: Image.Image) -> str:
    return str(image.info["stored_mode"])
