"""Reads one image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from nas.errors import UserError
from nas.tasks.image_files import (
    IMAGE_SUFFIXES,
    UPRIGHT,
    header,
    is_16_bit,
    is_deep,
    is_transparent,
    opened,
    stored_orientation,
    upright,
)
from nas.tasks.inputs import Channels, named_inputs

_ARRAY = ".npy"
_WORD = (0.0, 65535.0)


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
        return self.look(path)[0]

    def look(self, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
        """Reads an image, and tells what is done with its file besides decoding it, as clauses.

        Args:
            path: As for `read`.

        Raises:
            UserError: As `read` does.
        """
        if isinstance(self.channels, int):
            return self._bands(path, self.channels)
        with opened(path) as image:
            told = self._told(image)
            if is_deep(image):
                grey = self._eight_bits(path, np.asarray(image), is_16_bit(image))
                image_8 = Image.fromarray(grey)
            else:
                image_8 = _on_white(image)
            if self.channels == "rgb":
                return upright(np.asarray(image_8.convert("RGB")), image), told
            return upright(np.asarray(image_8.convert("L")), image)[..., None], told

    def treatment(self, path: Path) -> tuple[str, ...]:
        """The clauses of `look`, for which no pixel is read; none of what cannot be opened."""
        if path.suffix.lower() == _ARRAY:
            return self._conversion(None)
        with header(path) as image:
            return () if image is None else self._told(image)

    def _told(self, image: Image.Image) -> tuple[str, ...]:
        return (*_turning(image), *self._colours(image), *self._conversion(image))

    def _colours(self, image: Image.Image) -> tuple[str, ...]:
        if isinstance(self.channels, int):
            return ()
        if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            return (f"converted from {image.mode}",)
        # What is done with more than 8 bits is told by `conversion`.
        if is_deep(image):
            return ()
        grey = image.mode in ("1", "L", "LA", "La")
        if grey and self.channels == "rgb":
            return ("grey, taken as three equal channels",)
        return () if grey or self.channels == "rgb" else ("turned to grey",)

    def conversion(self, path: Path) -> str:
        """How the values of a file become 8 bits per channel, as a clause; empty if they are that.

        It belongs to the digest of a file: another range gives other pixels. The pixels are not
        read, and what cannot be opened has no conversion.
        """
        if path.suffix.lower() == _ARRAY:
            return "".join(self._conversion(None))
        with header(path) as image:
            return "" if image is None else "".join(self._conversion(image))

    def _conversion(self, image: Image.Image | None) -> tuple[str, ...]:
        """The clause of an image, or of an array, if there is one."""
        if image is None:
            return () if self.value_range is None else (f"scaled to 8 bits from {self._range()}",)
        if is_deep(image):
            return (f"scaled to 8 bits from {self._range(image)}",)
        if not isinstance(self.channels, int) and is_transparent(image):
            return ("laid on white where they are transparent",)
        return ()

    def _range(self, image: Image.Image | None = None) -> str:
        if self.value_range is not None:
            return "{:g} to {:g}".format(*self.value_range)
        return "0 to 65535" if image is not None and is_16_bit(image) else "no range"

    def _bands(self, path: Path, channels: int) -> tuple[np.ndarray, tuple[str, ...]]:
        if path.suffix.lower() == _ARRAY:
            pixels, is_word, told = _read_array(path), False, self._conversion(None)
        else:
            with opened(path) as image:
                is_word, told = is_16_bit(image), self._told(image)
                pixels = _stored(path, image)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        if pixels.ndim != 3 or pixels.shape[-1] != channels:
            stored = "x".join(map(str, pixels.shape))
            raise UserError(
                f"{path}: the task says {channels} channels, height x width x {channels}, but the "
                f"file holds {stored}; correct the file, or channels in the task."
            )
        return self._eight_bits(path, pixels, is_word), told

    def _eight_bits(self, path: Path, pixels: np.ndarray, is_word: bool) -> np.ndarray:
        """The values as 8 bits; `is_word` says that a file of images has whole ones of 16 bits."""
        if pixels.dtype == np.uint8:
            return pixels
        if pixels.dtype.kind not in "iuf":
            raise UserError(f"{path}: an image holds numbers, not {pixels.dtype}; convert it.")
        bounds = self.value_range
        if bounds is None and (is_word or pixels.dtype == np.uint16):
            bounds = _WORD
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


def content_of(pixels: np.ndarray) -> str:
    """Changes with the pixels of an image, whatever file they come from."""
    total = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    total.update(np.ascontiguousarray(pixels).data)
    return total.hexdigest()


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
    if pixels.shape[:2] == size and box is None:
        return pixels
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


def _stored(path: Path, image: Image.Image) -> np.ndarray:
    """The bands of an image as they are stored; the pages of a file that has several."""
    pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
    if image.mode in ("1", "P"):
        raise UserError(
            f"{path}: a palette or single bits (mode {image.mode}) are no channels; save it "
            "with 8 bits per channel."
        )
    if len(pages) == 1:
        return upright(pages[0], image)
    if len({page.shape for page in pages}) > 1 or pages[0].ndim != 2:
        raise UserError(f"{path}: its pages are not one channel each, of one size.")
    return upright(np.stack(pages, axis=-1), image)


def _turning(image: Image.Image) -> tuple[str, ...]:
    number = stored_orientation(image)
    return (f"turned upright (EXIF orientation {number})",) if number in UPRIGHT else ()


def _on_white(image: Image.Image) -> Image.Image:
    """What a viewer shows of an image: not the colour that is left over where it is transparent."""
    if not is_transparent(image):
        return image
    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
