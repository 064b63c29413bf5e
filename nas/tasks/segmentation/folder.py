"""Tasks on a user's own images: folders of images, and masks in one of the formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nas.errors import UserError
from nas.long_steps import LongStep
from nas.settings import validate
from nas.tasks.dataset import Row
from nas.tasks.listing import composed
from nas.tasks.reading import ImageReader, content_of, resize
from nas.tasks.reading_many import each
from nas.tasks.segmentation.formats.mask import Mask
from nas.tasks.segmentation.settings import SegmentationSettings
from nas.tasks.segmentation.source import MaskInspection, SegmentationSource
from nas.tasks.segmentation.splits import LabelledFile, find_files
from nas.tasks.segmentation.task import SegmentationTask


class FolderSource(SegmentationSource):
    """The labelled files of one split.

    Args:
        files: Image and mask of each.
        size: Height and width in pixels that both are resized to.
        classes: Name of each class by its value in the files.
        file_ignore_index: Value in the files of pixels that belong to no class, or None.
        ignore_index: Value of such pixels in memory, where classes are numbered from 0.
        reader: Reads the image files.
        problems: What was wrong when the task's files were paired; none of its images is read
            before these are fixed.
        notes: What is worth knowing of the listing.
        unsaid_ignored: Value that is ignored though nobody said so, or None.
    """

    def __init__(
        self,
        files: tuple[LabelledFile, ...],
        size: tuple[int, int],
        classes: dict[int, str],
        file_ignore_index: int | None,
        ignore_index: int,
        reader: ImageReader,
        problems: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        unsaid_ignored: int | None = None,
    ) -> None:
        self.names = tuple(file.name for file in files)
        self.files = files
        self.problems = problems
        self.notes = notes
        self.unsaid_ignored = unsaid_ignored
        self._size = size
        self._ignore_index = ignore_index
        self._classes = classes
        self._file_ignore_index = file_ignore_index
        self._reader = reader
        # From the value in a file to that in memory, and whether it is known.
        self._stored = np.zeros(256, np.uint8)
        self._stored[list(classes)] = np.arange(len(classes))
        self._known = np.zeros(256, bool)
        self._known[list(classes)] = True
        if file_ignore_index is not None:
            self._stored[file_ignore_index] = ignore_index
            self._known[file_ignore_index] = True

    @property
    def digest(self) -> str:
        """Hash of the names and of every byte of the files."""
        total = hashlib.blake2b(digest_size=16)
        step = LongStep("reading files", len(self.files))
        for parts in each(self._digests, self.files):
            for part in parts:
                total.update(part)
            step.advance()
        return total.hexdigest()

    @property
    def bytes_each(self) -> int:
        height, width = self._size
        return height * width * (self._reader.count + 1)

    @property
    def read_key(self) -> str:
        classes = (list(self._classes), self._file_ignore_index, self._ignore_index)
        return repr((self.content, self._size, classes, self._reader))

    def read(self) -> tuple[Tensor, Tensor]:
        step = LongStep("reading images", len(self.files))
        return self._gathered(self.files, step.advance)

    def read_some(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        return self._gathered([self.files[row] for row in rows])

    def stored_masks(self) -> Iterator[Tensor] | None:
        if all(file.mask.size() == self._size for file in self.files):
            return None
        return (self._stored_mask(file) for file in self.files)

    def inspect(self) -> Iterator[MaskInspection]:
        return self.kept(each(self._look, self.files))

    def _digests(self, file: LabelledFile) -> tuple[bytes, ...]:
        return (
            composed(file.name).encode(),
            self._reader.conversion(file.image).encode(),
            hashlib.blake2b(file.image.read_bytes(), digest_size=16).digest(),
            file.mask.digest(),
        )

    def _gathered(
        self, files: Sequence[LabelledFile], advance: Callable[[], None] = lambda: None
    ) -> tuple[Tensor, Tensor]:
        if self.problems:
            raise UserError(self.problems[0])
        images = np.empty((len(files), self._reader.count, *self._size), np.uint8)
        masks = np.empty((len(files), *self._size), np.uint8)
        for row, (image, mask) in enumerate(each(self._read, files)):
            images[row], masks[row] = image, mask
            advance()
        return torch.from_numpy(images), torch.from_numpy(masks)

    def _read(self, file: LabelledFile) -> Row:
        image, values = self._reader.read(file.image), file.mask.read()
        self._refuse_bad(file, image, values)
        return self._fitted(image, values)

    def _fitted(self, image: np.ndarray, values: np.ndarray) -> Row:
        """An image and its mask at the task's size, with the values that they have in memory."""
        mask = self._stored[values]
        if mask.shape != self._size:
            height, width = self._size
            mask = np.asarray(
                Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
            )
        return resize(image, self._size).transpose(2, 0, 1), mask

    def _stored_mask(self, file: LabelledFile) -> Tensor:
        values = file.mask.read()
        self._refuse_bad(file, None, values)
        return torch.from_numpy(self._stored[values])

    def _look(self, file: LabelledFile) -> tuple[MaskInspection, Row | None]:
        image, look, problems = None, None, []
        treatment: tuple[str, ...] = ()
        occurs = np.zeros(256, np.int64)
        try:
            image, treatment = self._reader.look(file.image)
        except UserError as error:
            problems.append(str(error))
        try:
            look = file.mask.look()
        except UserError as error:
            problems.append(str(error))
        else:
            occurs = _counts(look.values)
            problems += self._problems(file, image, occurs, look.values.shape)
        # Of each class, and last of what is ignored.
        ignored = self._file_ignore_index
        counts = occurs[[*self._classes, *([] if ignored is None else [ignored])]]
        inspection = MaskInspection(
            size=None if image is None else (image.shape[0], image.shape[1]),
            counts=counts if ignored is not None else np.append(counts, 0),
            problems=tuple(problems),
            content=None if image is None else content_of(image),
            mask=None if look is None else content_of(look.values),
            palette={} if look is None else look.palette,
            treatment=treatment + (() if look is None else look.treatment),
            file=file.image.resolve(),
        )
        if image is None or look is None or problems or self.problems:
            return inspection, None
        return inspection, self._fitted(image, look.values)

    def _refuse_bad(self, file: LabelledFile, image: np.ndarray | None, values: np.ndarray) -> None:
        problems = self._problems(file, image, _counts(values), values.shape)
        if problems:
            raise UserError(problems[0])

    def _problems(
        self,
        file: LabelledFile,
        image: np.ndarray | None,
        counts: np.ndarray,
        size: tuple[int, ...],
    ) -> list[str]:
        """What is wrong with a mask of a size, which has each value so many times."""
        problems = []
        height, width = size
        if image is not None and not _fits(file.mask, (height, width), image.shape[:2]):
            problems.append(
                f"{file.mask}: the mask has {height}x{width} pixels, its image "
                f"{image.shape[0]}x{image.shape[1]}."
            )
        unknown = np.flatnonzero((counts > 0) & ~self._known)
        if len(unknown):
            found = ", ".join(str(value) for value in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            ignored = self._file_ignore_index
            rest = "" if ignored is None else f" nor ignore_index {ignored}"
            what = f"neither a class{rest}" if rest else "no class"
            problems.append(f"{file.mask}: the value {found}{more} is {what}.")
        return problems


def _counts(values: np.ndarray) -> np.ndarray:
    """How often each value from 0 to 255 occurs."""
    return np.bincount(values.ravel(), minlength=256)


def _fits(mask: Mask, size: tuple[int, int], image: tuple[int, ...]) -> bool:
    """Whether a mask has the size of its image, or its proportions where that is enough."""
    return size == image or (mask.scales and size[0] * image[1] == size[1] * image[0])


def load_folder(path: Path, values: Any, data: Path | None) -> SegmentationTask:
    """Builds the task that a task.yaml describes.

    Args:
        path: The YAML file.
        values: What it holds: fields of `SegmentationSettings`.
        data: Folder that the paths in it start from; the YAML's `root` unless given.

    Raises:
        UserError: If a folder is missing, or a value is wrong.
    """
    settings = validate(SegmentationSettings, values, str(path))
    root = data if data is not None else path.parent / settings.root.expanduser()
    files = find_files(settings, root)
    # Classes are numbered from 0 in memory, which may need the file's ignored value.
    ignored = settings.ignored
    taken = ignored is None or ignored < len(settings.classes)
    ignore_index = 255 if taken or ignored is None else ignored
    sources: dict[str, SegmentationSource] = {
        split: FolderSource(
            found,
            settings.input_size,
            settings.classes,
            ignored,
            ignore_index,
            settings.reader,
            files.problems,
            files.notes,
            ignored if settings.format == "index" and settings.ignore_index is None else None,
        )
        for split, found in files.splits.items()
    }
    return settings.task(sources, ignore_index)
