"""Tasks on a user's own images: folders of images, and masks in one of the formats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nas.errors import UserError
from nas.settings import validate
from nas.tasks.listing import composed
from nas.tasks.reading import ImageReader, content_of, resize
from nas.tasks.segmentation.formats.mask import Mask
from nas.tasks.segmentation.settings import SegmentationSettings
from nas.tasks.segmentation.source import MaskInspection, SegmentationSource
from nas.tasks.segmentation.splits import LabelledFile, find_files
from nas.tasks.segmentation.task import SegmentationTask

# Not a class index in memory: a task has at most 255 classes beside it.
_UNKNOWN = 256


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
        # From the value in a file to the class, and to `num_classes` for ignored pixels.
        self._index = np.full(256, _UNKNOWN, np.int16)
        self._index[list(classes)] = np.arange(len(classes))
        if file_ignore_index is not None:
            self._index[file_ignore_index] = len(classes)
        self._stored = np.arange(len(classes) + 1, dtype=np.uint8)
        self._stored[-1] = ignore_index

    @property
    def digest(self) -> str:
        """Hash of the names and of every byte of the files."""
        total = hashlib.blake2b(digest_size=16)
        for file in self.files:
            total.update(composed(file.name).encode())
            total.update(self._reader.conversion(file.image).encode())
            total.update(hashlib.blake2b(file.image.read_bytes(), digest_size=16).digest())
            total.update(file.mask.digest())
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
        return self.read_some(range(len(self.files)))

    def read_some(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        if self.problems:
            raise UserError(self.problems[0])
        files = [self.files[row] for row in rows]
        images = np.empty((len(files), *self._size, self._reader.count), np.uint8)
        masks = np.empty((len(files), *self._size), np.uint8)
        for row, file in enumerate(files):
            images[row], masks[row] = self._read(file)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks)

    def stored_masks(self) -> Iterator[Tensor] | None:
        if all(file.mask.size() == self._size for file in self.files):
            return None
        return (self._stored_mask(file) for file in self.files)

    def inspect(self) -> Iterator[MaskInspection]:
        for file in self.files:
            yield self._inspect(file)

    def _read(self, file: LabelledFile) -> tuple[np.ndarray, np.ndarray]:
        image, values = self._reader.read(file.image), file.mask.read()
        problems = self._problems(file, image, values)
        if problems:
            raise UserError(problems[0])
        height, width = self._size
        stored = Image.fromarray(self._stored[self._index[values]])
        labels = stored.resize((width, height), Image.Resampling.NEAREST)
        return resize(image, self._size), np.asarray(labels)

    def _stored_mask(self, file: LabelledFile) -> Tensor:
        return torch.from_numpy(self._stored[self._index[file.mask.read()]])

    def _inspect(self, file: LabelledFile) -> MaskInspection:
        image, mask, problems = None, None, []
        palette: Mapping[int, tuple[int, ...]] = {}
        counts = np.zeros(len(self._classes) + 1, np.int64)
        try:
            image = self._reader.read(file.image)
        except UserError as error:
            problems.append(str(error))
        try:
            values = file.mask.read()
        except UserError as error:
            problems.append(str(error))
        else:
            problems += self._problems(file, image, values)
            palette, mask = file.mask.palette(), content_of(values)
            indices = self._index[values]
            counts += np.bincount(indices[indices != _UNKNOWN], minlength=len(counts))
        size = None if image is None else (image.shape[0], image.shape[1])
        content = None if image is None else content_of(image)
        treatment = self._reader.treatment(file.image) + file.mask.treatment()
        return MaskInspection(
            size,
            counts,
            tuple(problems),
            content,
            mask,
            palette,
            treatment,
            file.image.resolve(),
        )

    def _problems(
        self, file: LabelledFile, image: np.ndarray | None, values: np.ndarray
    ) -> list[str]:
        problems = []
        height, width = values.shape
        if image is not None and not _fits(file.mask, (height, width), image.shape[:2]):
            problems.append(
                f"{file.mask}: the mask has {height}x{width} pixels, its image "
                f"{image.shape[0]}x{image.shape[1]}."
            )
        occurs = np.bincount(values.ravel(), minlength=256) > 0
        unknown = np.flatnonzero(occurs & (self._index == _UNKNOWN))
        if len(unknown):
            found = ", ".join(str(value) for value in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            ignored = self._file_ignore_index
            rest = "" if ignored is None else f" nor ignore_index {ignored}"
            what = f"neither a class{rest}" if rest else "no class"
            problems.append(f"{file.mask}: the value {found}{more} is {what}.")
        return problems


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
