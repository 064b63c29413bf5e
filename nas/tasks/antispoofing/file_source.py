"""Faces whose modalities are a file each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nas.errors import UserError
from nas.tasks.antispoofing.lists import Face
from nas.tasks.antispoofing.source import FaceSource
from nas.tasks.classification.file_source import content_of, fit, reading_threads
from nas.tasks.classification.source import ImageInspection
from nas.tasks.inputs import Channels, named_inputs
from nas.tasks.reading import read_image

_WHOLE = 1.0


class FileFaces(FaceSource):
    """Faces told by a list.

    Args:
        root: Folder that the files start from.
        faces: What the list says.
        modalities: How the files of each modality are read, in order.
        size: Height and width in pixels that the images are brought to.
        fill: Value of the pixels of a modality that is missing.
    """

    def __init__(
        self,
        root: Path,
        faces: Sequence[Face],
        modalities: Mapping[str, Channels],
        size: tuple[int, int],
        fill: int,
    ) -> None:
        self._root = root
        self._faces = tuple(faces)
        self._modalities = dict(modalities)
        self._size = size
        self._fill = fill
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
        for face in self._faces:
            contents = [file and content_of(self._root / file) for file in face.files]
            total.update(repr((face, contents)).encode())
        return total.hexdigest()

    def select(self, rows: np.ndarray) -> FileFaces:
        faces = [self._faces[row] for row in rows]
        return FileFaces(self._root, faces, self._modalities, self._size, self._fill)

    def read(self) -> tuple[Tensor, Tensor]:
        counts = [sum(named_inputs(how).values()) for how in self._modalities.values()]
        images = np.full((len(self._faces), sum(counts), *self._size), self._fill, np.uint8)
        starts = np.cumsum([0, *counts])

        def fill(row: int) -> None:
            for start, pixels in zip(starts, self._read(self._faces[row]), strict=False):
                if pixels is not None:
                    fitted = fit(pixels, self._size, _WHOLE).transpose(2, 0, 1)
                    images[row, start : start + len(fitted)] = fitted

        with reading_threads() as threads:
            for _ in threads.map(fill, range(len(self._faces))):
                pass
        return torch.from_numpy(images), torch.from_numpy(self.labels)

    def inspect(self) -> Iterator[ImageInspection]:
        with reading_threads() as threads:
            yield from threads.map(self._inspect, self._faces)

    def _inspect(self, face: Face) -> ImageInspection:
        try:
            height, width = next(
                pixels.shape[:2] for pixels in self._read(face) if pixels is not None
            )
        except UserError as error:
            return ImageInspection(None, problems=(str(error),))
        contents = [content_of(self._root / file) for file in face.files if file is not None]
        return ImageInspection((height, width), " ".join(contents))

    def _read(self, face: Face) -> list[np.ndarray | None]:
        """The images of the modalities as stored, None for one that is missing.

        Raises:
            UserError: If one cannot be read, or is not of the size of the others.
        """
        found: list[np.ndarray | None] = []
        first: tuple[Path, tuple[int, ...]] | None = None
        for file, how in zip(face.files, self._modalities.values(), strict=True):
            if file is None:
                found.append(None)
                continue
            path = self._root / file
            pixels = read_image(path, how)
            first = first or (path, pixels.shape[:2])
            if pixels.shape[:2] != first[1]:
                size, other = ("x".join(map(str, s)) for s in (pixels.shape[:2], first[1]))
                raise UserError(
                    f"{path}: it is {size} pixels and {first[0]} is {other}; the modalities of a "
                    "face have to show the same places."
                )
            found.append(pixels)
        return found
