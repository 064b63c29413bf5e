"""Where images with a class for every pixel come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
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

    def stored_masks(self) -> Iterator[Tensor] | None:
        """The classes of each mask at its own size, H×W uint8; None where that is the task's.

        Raises:
            UserError: If one cannot be read.
        """
        return None
