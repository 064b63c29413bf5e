"""Images in memory or mapped into it, and what is to be learned from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from nas.long_steps import LongStep
from nas.tasks.mapped import IN_MEMORY, Add, mapped, writing

LookT = TypeVar("LookT")
Row = tuple[NDArray[np.uint8], Any]
"""An image, C×H×W, and its target."""


class Gathered:
    """Images and targets that come some at a time, in order.

    Args:
        count: How many there will be.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._done = 0
        self._arrays: tuple[np.ndarray, ...] = ()

    def add(self, *parts: np.ndarray) -> None:
        """Takes some images and their targets."""
        if not self._arrays:
            self._arrays = tuple(
                np.empty((self._count, *part.shape[1:]), part.dtype) for part in parts
            )
        for array, part in zip(self._arrays, parts, strict=True):
            array[self._done : self._done + len(part)] = part
        self._done += len(parts[0])

    @property
    def tensors(self) -> tuple[Tensor, Tensor] | None:
        """Images and targets; None where some have not come."""
        if self._done < self._count:
            return None
        images, targets = self._arrays
        return torch.from_numpy(images), torch.from_numpy(targets)


class ImageSource(ABC):
    """Where the images of one split, and what is to be learned from them, come from.

    Attributes:
        names: Name of each image, in order.
        problems: What was wrong when the files were listed; no image is read before these are
            fixed. The splits of a folder share one list.
        notes: What a user should know of the listing, such as what was passed over.
    """

    names: tuple[str, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """What `read` returns, read at first use and kept; see `nas.tasks.mapped` where large."""
        if not self.is_mapped:
            return self.read()
        return mapped(self.read_key, len(self.names), self.read_some)

    def kept(self, looks: Iterable[tuple[LookT, Row | None]]) -> Iterator[LookT]:
        """Passes on what was seen of each image, and keeps what was read for `tensors`.

        Whoever looks through images goes on to use them, and decoding takes the longest.

        Args:
            looks: What was seen of each image in order, and the image and its target as `tensors`
                has them; None where it cannot be used, and then nothing is kept.
        """
        count = len(self.names)
        with self._keeping(count) as add:
            step = LongStep("looking through images", count)
            for look, row in looks:
                if row is not None:
                    add(row[0][None], np.asarray(row[1])[None])
                step.advance()
                yield look

    @contextmanager
    def _keeping(self, count: int) -> Iterator[Add]:
        if "tensors" in vars(self) or not count:
            yield lambda images, targets: None
        elif self.is_mapped:
            with writing(self.read_key, count) as add:
                yield add
        else:
            gathered = Gathered(count)
            yield gathered.add
            if gathered.tensors is not None:
                vars(self)["tensors"] = gathered.tensors

    @property
    def is_mapped(self) -> bool:
        """Whether the images are too large to be held in the memory of every process."""
        each = self.bytes_each
        return each is not None and each * len(self.names) > IN_MEMORY

    @property
    def bytes_each(self) -> int | None:
        """Bytes of an image and its mask where some are read without the others, or None."""
        return None

    @property
    def read_key(self) -> str:
        """A text that changes with anything that `read` gives."""
        return self.content

    @cached_property
    def content(self) -> str:
        """`digest`, found once: it may take every byte of the files."""
        return self.digest

    @property
    @abstractmethod
    def digest(self) -> str:
        """A text that changes with the content."""

    @abstractmethod
    def read(self) -> tuple[Tensor, Tensor]:
        """Reads the images at the task's input size, N×C×H×W uint8, and their targets.

        Raises:
            UserError: If one cannot be read; the message names the file.
        """

    @abstractmethod
    def strata(self) -> NDArray[np.int64]:
        """A number for each image, N, the same for images of the same classes."""

    @abstractmethod
    def select(self, rows: NDArray[np.int64]) -> ImageSource:
        """The source of some of the images.

        Args:
            rows: Their positions, in the order wanted.
        """

    def read_some(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Reads some of the images, by their positions, and their targets.

        Raises:
            UserError: If one cannot be read.
        """
        images, targets = self.tensors
        chosen = torch.tensor(rows, dtype=torch.long)
        return images[chosen], targets[chosen]


class ImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Images and the target of each. Data sets of the same source share them.

    An item is a pair of an image, C×H×W uint8, and its target.

    Args:
        source: Where the images come from; they are read at first use.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source = source

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image."""
        return self._source.names

    @property
    def images(self) -> Tensor:
        """All images without augmentation, N×C×H×W uint8."""
        return self._source.tensors[0]

    @property
    def targets(self) -> Tensor:
        """The target of each image, without augmentation."""
        return self._source.tensors[1]

    def __len__(self) -> int:
        return len(self._source.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.targets[index]
