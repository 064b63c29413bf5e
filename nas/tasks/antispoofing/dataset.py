"""Faces in memory, as they are or with modalities taken away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from torch import Tensor

from nas.tasks.antispoofing.source import FaceSource
from nas.tasks.classification.dataset import ClassificationDataset


class FaceDataset(ClassificationDataset):
    """Faces with their class, type of attack and subject.

    Args:
        source: Where the faces come from; they are read at first use.
        blank: First channel, and the one after the last, of what is taken away.
        fill: Value of the pixels there, from 0 to 255.
    """

    def __init__(
        self, source: FaceSource, blank: Sequence[tuple[int, int]] = (), fill: int = 0
    ) -> None:
        super().__init__(source)
        self.attacks = source.attacks
        """Type of attack of each face; empty for live faces and where it is not known."""
        self.subjects = source.subjects
        """Subject of each face; empty where it is not known."""
        self.absent = source.absent
        """Names of the modalities that each face was not taken with."""
        self._blank = tuple(blank)
        self._fill = fill

    @property
    def images(self) -> Tensor:
        """All faces without augmentation, N×C×H×W uint8, absent modalities filled."""
        return self._blanked if self._blank else super().images

    @cached_property
    def _blanked(self) -> Tensor:
        images = super().images.clone()
        for start, stop in self._blank:
            images[:, start:stop] = self._fill
        return images
