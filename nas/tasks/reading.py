"""Reads one image or one mask."""

from __future__ import annotations

import hashlib
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageSequence

from nas.errors import UserError
from nas.tasks.inputs import Channels, named_inputs

# Pillow stretches the values of PNG masks with 2 or 4 bits per pixel over 0 to 255.
_STRETCHED = {"L;2": 85, "L;4": 17}
_ARRAY = ".npy"
_WORD = (0.0, 65535.0)
# Formats whose numbers of 32 bits hold 16.
_WORDS = ("PNG", "PPM")
_LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF")
_POINTER = b"version https://git-lfs"
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
# From this number on, height and width change places.
_LYING = 5


def _image_suffixes() -> frozenset[str]:
    Image.init()
    return frozenset(Image.registered_extensions())


IMAGE_SUFFIXES = _image_suffixes()
"""Suffixes of the files that Pillow reads, in lower case."""


@dataclass(frozen=True)
class ImageReader:
    """Reads image files into 8 bits per channel: the one reader of all kinds of tasks.

    Attributes:
        channels: What to read a file as. Any number of channels has to be that of the file.
        value_range: Values that become 0 and 255, for files of more than 8 bits per channel;
            those of a file's type unless given, which floats do not have.
    """

    channels: Channels = "rgb"
    value_range: tuple[float, float] | None = None

    @property
    def count(self) -> int:
        """Channels of an image."""
        return sum(named_inputs(self.channels).values())

    @property
    def suffixes(self) -> frozenset[str]:
        """Suffixes, in lower case, of the files that count as images.

        Arrays are among them only if the channels are counted: beside photographs they are
        something else.
        """
        counted = isinstance(self.channels, int)
        return IMAGE_SUFFIXES | {_ARRAY} if counted else IMAGE_SUFFIXES

    def read(self, path: Path) -> np.ndarray:
        """Reads an image as a viewer shows it: upright, and on white where it is transparent.

        Args:
            path: A file that Pillow reads; for counted channels also an array (.npy) H×W×C, or a
                TIFF with a page for each.

        Returns:
            H×W×C uint8.

        Raises:
            UserError: If the file is not such an image, is damaged, or has more than 8 bits per
                channel and no range.
        """
        if isinstance(self.channels, int):
            return self._bands(path, self.channels)
        with _opened(path) as image:
            if _is_deep(image):
                grey = self._eight_bits(path, np.asarray(image))
                image_8 = Image.fromarray(grey)
            else:
                image_8 = _on_white(image)
            if self.channels == "rgb":
                return _upright(np.asarray(image_8.convert("RGB")), image)
            return _upright(np.asarray(image_8.convert("L")), image)[..., None]

    def treatment(self, path: Path) -> tuple[str, ...]:
        """What is done with a file besides decoding it, as clauses; the pixels are not read.

        What cannot be opened has no treatment.
        """
        clauses = [] if path.suffix.lower() == _ARRAY else [*_turning(path), *self._colours(path)]
        conversion = self.conversion(path)
        return tuple([*clauses, conversion] if conversion else clauses)

    def _colours(self, path: Path) -> list[str]:
        with _header(path) as image:
            if image is None or isinstance(self.channels, int):
                return []
            if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
                return [f"converted from {image.mode}"]
            # What is done with more than 8 bits is told by `conversion`.
            if _is_deep(image):
                return []
            grey = image.mode in ("1", "L", "LA", "La")
            if grey and self.channels == "rgb":
                return ["grey, taken as three equal channels"]
            return [] if grey or self.channels == "rgb" else ["turned to grey"]

    def conversion(self, path: Path) -> str:
        """How the values of a file become 8 bits per channel, as a clause; empty if they are that.

        It belongs to the digest of a file: another range gives other pixels.
        """
        if path.suffix.lower() == _ARRAY:
            return "" if self.value_range is None else f"scaled to 8 bits from {self._range()}"
        with _header(path) as image:
            if image is None:
                return ""
            if _is_deep(image):
                return f"scaled to 8 bits from {self._range(image)}"
            if not isinstance(self.channels, int) and _is_transparent(image):
                return "laid on white where they are transparent"
        return ""

    def _range(self, image: Image.Image | None = None) -> str:
        if self.value_range is not None:
            return "{:g} to {:g}".format(*self.value_range)
        return "0 to 65535" if image is not None and _is_16_bit(image) else "no range"

    def _bands(self, path: Path, channels: int) -> np.ndarray:
        pixels = _read_array(path) if path.suffix.lower() == _ARRAY else _read_stored(path)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        if pixels.ndim != 3 or pixels.shape[-1] != channels:
            stored = "x".join(map(str, pixels.shape))
            raise UserError(
                f"{path}: the task says {channels} channels, height x width x {channels}, but the "
                f"file holds {stored}; correct the file, or channels in the task."
            )
        return self._eight_bits(path, pixels)

    def _eight_bits(self, path: Path, pixels: np.ndarray) -> np.ndarray:
        if pixels.dtype == np.uint8:
            return pixels
        if pixels.dtype.kind not in "iuf":
            raise UserError(f"{path}: an image holds numbers, not {pixels.dtype}; convert it.")
        bounds = self.value_range
        if bounds is None and (pixels.dtype.itemsize == 2 or _is_word(path)):
            bounds = _WORD if pixels.dtype.kind == "u" or _is_word(path) else None
        if bounds is None:
            raise UserError(
                f"{path}: values of {pixels.dtype} have no range of their own; give value_range: "
                "[darkest, brightest] in the task, or save the file with 8 bits per channel."
            )
        low, high = bounds
        values = pixels.astype(np.float64)
        if not np.isfinite(values).all():
            raise UserError(f"{path}: some of its values are no finite numbers; replace them.")
        scaled = np.clip((values - low) / (high - low), 0, 1) * 255
        return np.rint(scaled).astype(np.uint8)


def read_mask(path: Path) -> np.ndarray:
    """Reads the values of an index PNG, turned upright as its EXIF data say.

    Returns:
        H×W uint8.

    Raises:
        UserError: If the file is not a PNG of one channel with values up to 255, or is damaged.
    """
    with _opened(path) as image:
        if image.format in _LOSSY:
            raise UserError(
                f"{path}: in truth a {image.format}, whose values are not exact; save the mask as "
                "an index PNG."
            )
        if _is_16_bit(image):
            deep = np.asarray(image)
            if deep.max(initial=0) > 255:
                raise UserError(
                    f"{path}: a mask holds values from 0 to 255, this file has {deep.max()}; save "
                    "it as an index PNG."
                )
            return _upright(deep.astype(np.uint8), image)
        if image.mode not in ("L", "P", "1"):
            raise UserError(
                f"{path}: a mask holds one 8-bit value per pixel, this file has mode "
                f"{image.mode}; save it as an index PNG."
            )
        values = np.array(image, dtype=np.uint8) // _STRETCHED.get(_stored_mode(image), 1)
        return _upright(values, image)


def read_colours(path: Path) -> np.ndarray:
    """Reads the colours of a mask, turned upright as its EXIF data say.

    Returns:
        H×W×3 uint8.

    Raises:
        UserError: If the colours are not exact, the file is transparent somewhere, or damaged.
    """
    with _opened(path) as image:
        if image.format in _LOSSY:
            raise UserError(
                f"{path}: in truth a {image.format}, whose colours are not exact; save the mask as "
                "a PNG."
            )
        if _is_deep(image):
            raise UserError(f"{path}: more than 8 bits per channel; save the mask as an 8-bit PNG.")
        if _is_transparent(image) and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            raise UserError(f"{path}: transparent pixels have no colour; save it without any.")
        return _upright(np.asarray(image.convert("RGB")), image)


def read_region(path: Path) -> np.ndarray:
    """Reads the mask of a single class, turned upright as its EXIF data say.

    Returns:
        H×W bool, where its values are above 0.

    Raises:
        UserError: If it has more than two values, or cannot be read.
    """
    with _opened(path) as image:
        # The numbers of a palette tell more than its colours, of which 0 may be any.
        plain = image.mode in ("1", "L", "P")
        stored = _upright(np.array(image, dtype=np.uint8), image) if plain else None
    values = read_colours(path).max(axis=-1) if stored is None else stored
    found = np.unique(values)
    if len(found) > 2 or (len(found) == 2 and found[0] > 0):
        raise UserError(
            f"{path}: the mask of one class has two values, 0 and another, and this one has "
            f"{', '.join(map(str, found[:5].tolist()))}{' and more' if len(found) > 5 else ''}."
        )
    return values > 0


def turned_with(values: np.ndarray, path: Path) -> np.ndarray:
    """Turns what was annotated on the stored pixels of an image as the image is turned.

    Annotation tools show an image upright, and so do most files say its size. Where the size of the
    annotations is that of the stored pixels, and not that of the upright image, they were made on
    these.

    Args:
        values: H×W.
        path: The image.
    """
    with _header(path) as image:
        if image is None or image.width == image.height:
            return values
        lies = _orientation(image) >= _LYING and values.shape == (image.height, image.width)
        return _upright(values, image) if lies else values


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of an image file as stored; its pixels are not read.

    Raises:
        UserError: If it is no image.
    """
    with _opened(path) as image:
        return image.height, image.width


def content_of(pixels: np.ndarray) -> str:
    """Changes with the pixels of an image, whatever file they come from."""
    start = repr(pixels.shape).encode()
    return hashlib.blake2b(
        start + np.ascontiguousarray(pixels).tobytes(), digest_size=16
    ).hexdigest()


def mask_palette(path: Path) -> dict[int, tuple[int, ...]]:
    """The colour of each value of a mask with a palette; empty for one without.

    Raises:
        UserError: If the file cannot be read.
    """
    with _opened(path) as image:
        if image.mode != "P":
            return {}
        colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        values = np.unique(np.asarray(image))
        return {
            int(value): tuple(map(int, colours[value])) for value in values if value < len(colours)
        }


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


def _read_array(path: Path) -> np.ndarray:
    try:
        pixels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable array ({reason}).") from error
    if not isinstance(pixels, np.ndarray):
        raise UserError(f"{path}: several arrays in one file; save each image as one array.")
    return pixels


def _read_stored(path: Path) -> np.ndarray:
    """The bands of an image as they are stored; the pages of a file that has several."""
    with _opened(path) as image:
        pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
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


@contextmanager
def _header(path: Path) -> Iterator[Image.Image | None]:
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


def _turning(path: Path) -> list[str]:
    with _header(path) as image:
        orientation = 1 if image is None else _orientation(image)
    return [f"turned upright (EXIF orientation {orientation})"] if orientation in _UPRIGHT else []


def _is_deep(image: Image.Image) -> bool:
    """Whether an image has more than 8 bits per channel, which Pillow would clip."""
    return image.mode.startswith(("I", "F"))


def _is_16_bit(image: Image.Image) -> bool:
    # Pillow opens some 16-bit files, such as PGM, as numbers of 32 bits.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in _WORDS)


def _is_word(path: Path) -> bool:
    if path.suffix.lower() == _ARRAY:
        return False
    with Image.open(path) as image:
        return _is_16_bit(image)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _on_white(image: Image.Image) -> Image.Image:
    """What a viewer shows of an image: not the colour that is left over where it is transparent."""
    if not _is_transparent(image):
        return image
    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")


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


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def _upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    turn = _UPRIGHT.get(_orientation(image))
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _orientation(image: Image.Image) -> int:
    try:
        # Pillow turns TIFF images by itself when it reads their pixels, and forgets the number.
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    # Damaged EXIF data are no reason to refuse the image.
    except (SyntaxError, ValueError, TypeError, OSError, struct.error):
        return 1


def _tile_mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", ())
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else ""


def _stored_mode(image: Image.Image) -> str:
    return str(image.info["stored_mode"])
