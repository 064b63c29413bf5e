"""Images that are a file each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nas.errors import UserError
from nas.long_steps import LongStep
from nas.tasks.classification.photos import Photos, to_short_side
from nas.tasks.classification.source import ClassificationSource, ImageInspection
from nas.tasks.dataset import Row
from nas.tasks.listing import composed
from nas.tasks.reading import ImageReader, content_of, resize
from nas.tasks.reading_many import each


class FileSource(ClassificationSource):
    """Image files with one class each.

    Args:
        root: Folder that the names start from.
        names: Path of each image below `root`.
        labels: Class of each, N int64.
        size: Height and width in pixels that the images are brought to.
        centre_crop: Share of the image's short side that is kept; see `fit`.
        reader: Reads the files.
        short_side: Length in pixels of the short side of the photos that are kept; None for none.
        problems: What was wrong when the files were listed.
        notes: What is worth knowing of the listing.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        labels: np.ndarray,
        size: tuple[int, int],
        centre_crop: float,
        reader: ImageReader,
        short_side: int | None = None,
        problems: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        self.names = tuple(names)
        self.labels = labels
        self.problems = problems
        self.notes = notes
        self._root = root
        self._size = size
        self._centre_crop = centre_crop
        self._reader = reader
        self._short_side = short_side

    @property
    def digest(self) -> str:
        """Hash of the names, the labels and every byte of the files."""
        treatment = repr(self._centre_crop)
        # Sources without photos have the hash that they had before there were any.
        treatment += "" if self._short_side is None else f" {self._short_side}"
        total = hashlib.blake2b(treatment.encode(), digest_size=16)
        step = LongStep("reading files", len(self.names))
        contents = each(self._content, self.names)
        for name, label, content in zip(self.names, self.labels.tolist(), contents, strict=True):
            total.update(f"{label} {composed(name)} {content}\n".encode())
            step.advance()
        return total.hexdigest()

    def _content(self, name: str) -> str:
        path = self._root / name
        return f"{file_digest(path)}{self._reader.conversion(path)}"

    @property
    def bytes_each(self) -> int:
        height, width = self._size
        return self._reader.count * height * width

    @property
    def read_key(self) -> str:
        return repr((self.content, self._size, self._reader))

    def select(self, rows: np.ndarray) -> FileSource:
        return FileSource(
            self._root,
            [self.names[row] for row in rows],
            self.labels[rows],
            self._size,
            self._centre_crop,
            self._reader,
            self._short_side,
            self.problems,
            self.notes,
        )

    def read(self) -> tuple[Tensor, Tensor]:
        step = LongStep("reading images", len(self.names))
        return self._gathered(range(len(self.names)), step.advance)

    def read_some(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        return self._gathered(rows)

    def _gathered(
        self, rows: Sequence[int], advance: Callable[[], None] = lambda: None
    ) -> tuple[Tensor, Tensor]:
        if self.problems:
            raise UserError(self.problems[0])
        images = np.empty((len(rows), self._reader.count, *self._size), np.uint8)

        def read(row: int) -> np.ndarray:
            return self._fitted(self._reader.read(self._root / self.names[row]))

        for place, image in enumerate(each(read, rows)):
            images[place] = image
            advance()
        return torch.from_numpy(images), torch.from_numpy(self.labels[list(rows)])

    def _fitted(self, pixels: np.ndarray) -> np.ndarray:
        return fit(pixels, self._size, self._centre_crop).transpose(2, 0, 1)

    @property
    def has_photos(self) -> bool:  # type: ignore[override]
        return self._short_side is not None

    @cached_property
    def photos(self) -> Photos | None:
        side = self._short_side
        if side is None:
            return None
        if self.problems:
            raise UserError(self.problems[0])

        def read(name: str) -> torch.Tensor:
            pixels = to_short_side(self._reader.read(self._root / name), side)
            return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

        step, photos = LongStep("reading photos", len(self.names)), []
        for photo in each(read, self.names):
            photos.append(photo)
            step.advance()
        return Photos(photos)

    def inspect(self) -> Iterator[ImageInspection]:
        return self.kept(each(self._look, range(len(self.names))))

    def _look(self, row: int) -> tuple[ImageInspection, Row | None]:
        try:
            pixels, treatment = self._reader.look(self._root / self.names[row])
        except UserError as error:
            return ImageInspection(None, problems=(str(error),)), None
        height, width, _ = pixels.shape
        inspection = ImageInspection((height, width), content_of(pixels), treatment=treatment)
        usable = None if self.problems else (self._fitted(pixels), self.labels[row])
        return inspection, usable


def fit(pixels: np.ndarray, size: tuple[int, int], centre_crop: float) -> np.ndarray:
    """Brings an image to a size as evaluation protocols do.

    The short side is resized to the size divided by `centre_crop`, and the centre is cut out. An
    image that has the size already stays as it is: it was prepared for it.

    Args:
        pixels: H×W×C uint8.
        size: Height and width in pixels.
        centre_crop: Share of the image's short side that is kept, above 0 and at most 1.
    """
    height, width = size
    full_height, full_width = pixels.shape[:2]
    if (full_height, full_width) == size:
        return pixels
    scale = centre_crop * min(full_width / width, full_height / height)
    left, top = (full_width - scale * width) / 2, (full_height - scale * height) / 2
    # Cutting and resizing in one step needs no rounding of the size in between. What rounding
    # errors leave outside the image, Pillow would refuse.
    right, bottom = min(left + scale * width, full_width), min(top + scale * height, full_height)
    return resize(pixels, size, (max(left, 0), max(top, 0), right, bottom))


def file_digest(path: Path) -> str:
    """Hash of the bytes of a file.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
