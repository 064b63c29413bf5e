"""Faces whose modalities are a file each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nas.errors import UserError
from nas.long_steps import LongStep
from nas.tasks.antispoofing.lists import Face
from nas.tasks.antispoofing.source import FaceSource
from nas.tasks.classification.file_source import file_digest, fit
from nas.tasks.classification.source import ImageInspection
from nas.tasks.inputs import Channels
from nas.tasks.listing import below
from nas.tasks.reading import ImageReader, content_of
from nas.tasks.reading_many import each

_WHOLE = 1.0


class FileFaces(FaceSource):
    """Faces told by a list.

    Args:
        root: Folder that the files start from.
        faces: What the list says.
        modalities: How the files of each modality are read, in order.
        size: Height and width in pixels that the images are brought to.
        fill: Value of the pixels of a modality that is missing.
        value_range: Values that become 0 and 255 in files of more than 8 bits per channel.
    """

    def __init__(
        self,
        root: Path,
        faces: Sequence[Face],
        modalities: Mapping[str, Channels],
        size: tuple[int, int],
        fill: int,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self._root = root
        self._faces = tuple(faces)
        self._modalities = dict(modalities)
        self._size = size
        self._fill = fill
        self._value_range = value_range
        self._readers = [ImageReader(how, value_range) for how in modalities.values()]
        self.names = tuple(next(filter(None, face.files)) for face in faces)
        self.labels = np.array([face.label for face in faces], np.int64)
        self.attacks = tuple(face.attack for face in faces)
        self.subjects = tuple(face.subject for face in faces)
        self.absent = tuple(
            tuple(name for name, file in zip(modalities, face.files, strict=True) if file is None)
            for face in faces
        )

    @property
    def digest(self) -> str:
        """Hash of the lists and of every byte of the files."""
        start = repr((list(self._modalities.items()), self._fill))
        total = hashlib.blake2b(start.encode(), digest_size=16)
        step = LongStep("reading files", len(self._faces))
        for content in each(self._content, self._faces):
            total.update(content)
            step.advance()
        return total.hexdigest()

    def _content(self, face: Face) -> bytes:
        contents = [file and file_digest(below(self._root, file)) for file in face.files]
        conversions = [reader.conversion(path) for path, reader in self._files(face)]
        return (repr((face, contents)) + "".join(conversions)).encode()

    def select(self, rows: np.ndarray) -> FileFaces:
        faces = [self._faces[row] for row in rows]
        return FileFaces(
            self._root, faces, self._modalities, self._size, self._fill, self._value_range
        )

    def read(self) -> tuple[Tensor, Tensor]:
        counts = [reader.count for reader in self._readers]
        images = np.full((len(self._faces), sum(counts), *self._size), self._fill, np.uint8)
        starts = np.cumsum([0, *counts])

        def fill(row: int) -> None:
            found = [None if one is None else one[0] for one in self._read(self._faces[row])]
            for start, pixels in zip(starts, found, strict=False):
                if pixels is not None:
                    fitted = fit(pixels, self._size, _WHOLE).transpose(2, 0, 1)
                    images[row, start : start + len(fitted)] = fitted

        step = LongStep("reading images", len(self._faces))
        for _ in each(fill, range(len(self._faces))):
            step.advance()
        return torch.from_numpy(images), torch.from_numpy(self.labels)

    def inspect(self) -> Iterator[ImageInspection]:
        step = LongStep("looking through images", len(self._faces))
        for inspection in each(self._inspect, self._faces):
            step.advance()
            yield inspection

    def _inspect(self, face: Face) -> ImageInspection:
        try:
            found = [one for one in self._read(face) if one is not None]
        except UserError as error:
            return ImageInspection(None, problems=(str(error),))
        height, width = found[0][0].shape[:2]
        return ImageInspection(
            (height, width),
            " ".join(content_of(pixels) for pixels, _ in found),
            treatment=tuple(dict.fromkeys(clause for _, told in found for clause in told)),
        )

    def _files(self, face: Face) -> list[tuple[Path, ImageReader]]:
        """The files of the modalities that are there."""
        return [
            (below(self._root, file), reader)
            for file, reader in zip(face.files, self._readers, strict=True)
            if file is not None
        ]

    def _read(self, face: Face) -> list[tuple[np.ndarray, tuple[str, ...]] | None]:
        """What `ImageReader.look` gives of each modality, None for one that is missing.

        Raises:
            UserError: If one cannot be read, or is not of the size of the others.
        """
        found: list[tuple[np.ndarray, tuple[str, ...]] | None] = []
        first: tuple[Path, tuple[int, ...]] | None = None
        for file, reader in zip(face.files, self._readers, strict=True):
            if file is None:
                found.append(None)
                continue
            path = below(self._root, file)
            pixels, told = reader.look(path)
            first = first or (path, pixels.shape[:2])
            if pixels.shape[:2] != first[1]:
                size, other = ("x".join(map(str, s)) for s in (pixels.shape[:2], first[1]))
                raise UserError(
                    f"{path}: it is {size} pixels and {first[0]} is {other}; the modalities of a "
                    "face have to show the same places."
                )
            found.append((pixels, told))
        return found
