"""Where images with a class for every pixel come from."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.tasks.dataset import ImageSource


@dataclass(frozen=True)
class MaskInspection:
    """What `nas task check` learns from one image and its mask.

    Attributes:
        size: Height and width in pixels as stored, or None if unreadable.
        counts: Pixels of each class, and last of those that are ignored.
        problems: A sentence for everything that is wrong with them.
        content: Hash of the image's pixels, to find it under another name; None if it is no file.
        mask: Hash of the mask's values likewise.
        palette: Colour of each value that occurs, where the mask has a palette.
        treatment: What is done with the files besides decoding them, as clauses.
        file: The image, links resolved; None if it is no file.
    """

    size: tuple[int, int] | None
    counts: np.ndarray
    problems: tuple[str, ...] = ()
    content: str | None = None
    mask: str | None = None
    palette: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    treatment: tuple[str, ...] = ()
    file: Path | None = None


class SegmentationSource(ImageSource):
    """An image source whose targets are masks, N×H×W uint8.

    Attributes:
        unsaid_ignored: Value in the files that is ignored though nobody said so, or None.
    """

    unsaid_ignored: int | None = None

    @abstractmethod
    def inspect(self) -> Iterator[MaskInspection]:
        """Looks at each image and mask as they are stored."""

    def strata(self) -> NDArray[np.int64]:
        present = np.zeros((len(self.names), 256), bool)
        for row, mask in enumerate(self.tensors[1].numpy()):
            present[row] = np.bincount(mask.ravel(), minlength=256) > 0
        found: NDArray[np.int64] = np.unique(present, axis=0, return_inverse=True)[1]
        return found.reshape(-1)

    def select(self, rows: NDArray[np.int64]) -> SegmentationSource:
        return _Selected(self, rows)

    def stored_masks(self) -> Iterator[Tensor] | None:
        """The classes of each mask at its own size, H×W uint8; None where that is the task's.

        Raises:
            UserError: If one cannot be read.
        """
        return None


class _Selected(SegmentationSource):
    """Some of the images of another source."""

    def __init__(self, source: SegmentationSource, rows: NDArray[np.int64]) -> None:
        self.names = tuple(source.names[row] for row in rows)
        self.problems, self.notes = source.problems, source.notes
        self._source, self._rows = source, rows.tolist()

    @property
    def digest(self) -> str:
        return f"{self._source.content}-{self._chosen}"

    @property
    def bytes_each(self) -> int | None:
        return self._source.bytes_each

    @property
    def read_key(self) -> str:
        return f"{self._source.read_key}-{self._chosen}"

    @property
    def _chosen(self) -> str:
        return hashlib.blake2b(repr(self._rows).encode(), digest_size=16).hexdigest()

    def read(self) -> tuple[Tensor, Tensor]:
        return self.read_some(range(len(self._rows)))

    def read_some(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        # All of them were read to find the strata.
        images, targets = self._source.tensors
        chosen = torch.tensor([self._rows[row] for row in rows], dtype=torch.long)
        return images[chosen], targets[chosen]

    def inspect(self) -> Iterator[MaskInspection]:
        chosen = set(self._rows)
        found = {row: one for row, one in enumerate(self._source.inspect()) if row in chosen}
        return (found[row] for row in self._rows)
