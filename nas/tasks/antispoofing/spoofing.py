"""The built-in task `spoofing`: drawn faces and attacks, seen by three registered sensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from nas.settings import Settings, validate
from nas.tasks.antispoofing import reliefs
from nas.tasks.antispoofing.source import ATTACK, CLASSES, LIVE, UNKNOWN, FaceSource
from nas.tasks.antispoofing.task import AntiSpoofingTask
from nas.tasks.classification.source import ImageInspection
from nas.tasks.task import SPLITS

_INPUTS = {"rgb": 3, "depth": 1, "ir": 1}
_LABELS = 1 << 31  # no subject has this number


class SpoofingSettings(Settings):
    """The options of the task `spoofing`.

    Attributes:
        seed: Decides every subject and capture.
        size: Side of the square images in pixels.
        train: Number of subjects to learn from; those of the splits differ.
        validation: Number of subjects that guide a search.
        test: Number of subjects to test on.
        captures: Images of each subject: live, print, live, screen, mask, cutout, and so on.
        mislabelled: Share of the faces of train with the wrong label, as in lists that people have
            made. What depth shows is learned in spite of them, what colour shows hardly is.
    """

    seed: int = Field(default=0, ge=0)
    size: int = Field(default=64, ge=16, le=512)
    train: int = Field(default=50, ge=1)
    validation: int = Field(default=15, ge=1)
    test: int = Field(default=40, ge=1)
    captures: int = Field(default=12, ge=6)
    mislabelled: float = Field(default=0.1, ge=0, lt=0.5)


class DrawnFaces(FaceSource):
    """The drawn faces and attacks of one split.

    Args:
        split: Its name, which the subjects are called after.
        seed: Decides every subject and capture of the split.
        subjects: Number of subjects.
        captures: Images of each.
        size: Side of the images in pixels.
        mislabelled: Share of the images with the wrong label.
        rows: Positions of the images to take; all unless given.
    """

    def __init__(
        self,
        split: str,
        seed: tuple[int, ...],
        subjects: int,
        captures: int,
        size: int,
        mislabelled: float = 0.0,
        rows: np.ndarray | None = None,
    ) -> None:
        self._all = (split, seed, subjects, captures, size, mislabelled)
        self._rows = np.arange(subjects * captures) if rows is None else rows
        self._pairs = [divmod(int(row), captures) for row in self._rows]
        shown = [reliefs.SEQUENCE[capture % len(reliefs.SEQUENCE)] for _, capture in self._pairs]
        self.names = tuple(
            f"{split}{subject:03d}-{capture:02d}-{what}"
            for (subject, capture), what in zip(self._pairs, shown, strict=True)
        )
        is_live = np.array([what == reliefs.LIVE_FACE for what in shown], bool)
        # A generator of their own, so that the images are the same with any share of wrong labels.
        chances = np.random.default_rng([*seed, _LABELS]).random(subjects * captures)
        is_wrong = chances[self._rows] < mislabelled
        self.labels = np.where(is_live ^ is_wrong, LIVE, ATTACK).astype(np.int64)
        self.attacks = tuple(
            what if label == ATTACK and what != reliefs.LIVE_FACE else UNKNOWN
            for what, label in zip(shown, self.labels, strict=True)
        )
        self.subjects = tuple(f"{split}{subject:03d}" for subject, _ in self._pairs)
        self.absent = ((),) * len(shown)

    @property
    def digest(self) -> str:
        return f"spoofing-{_drawing()}-{self._all!r}-{self._rows.tolist()!r}"

    def select(self, rows: np.ndarray) -> DrawnFaces:
        return DrawnFaces(*self._all, rows=self._rows[rows])

    def read(self) -> tuple[Tensor, Tensor]:
        _, seed, _, _, size, _ = self._all
        images = [reliefs.draw_capture(seed, *pair, size) for pair in self._pairs]
        return torch.from_numpy(np.stack(images)), torch.from_numpy(self.labels)

    def inspect(self) -> Iterator[ImageInspection]:
        size = self._all[4]
        for _ in self.names:
            yield ImageInspection((size, size))


@cache
def _drawing() -> str:
    """Changes with the source of the drawing, so that no cache holds what an older one gave."""
    return hashlib.sha256(Path(reliefs.__file__).read_bytes()).hexdigest()[:12]


def load_spoofing(**options: Any) -> AntiSpoofingTask:
    """Builds the task; the faces are drawn when they are first used.

    Colour alone is ambiguous here: attacks show photographs of faces, and what gives them away is
    a faint raster, which a network hardly finds where labels are wrong. Depth and infrared tell
    them.

    Args:
        **options: Fields of `SpoofingSettings`.

    Raises:
        UserError: If an option is unknown or has a wrong value.
    """
    settings = validate(SpoofingSettings, options, "task spoofing")
    sources = {
        split: DrawnFaces(
            split,
            (settings.seed, number),
            getattr(settings, split),
            settings.captures,
            settings.size,
            # Whoever scores knows the truth.
            settings.mislabelled if split == "train" else 0.0,
        )
        for number, split in enumerate(SPLITS)
    }
    return AntiSpoofingTask(
        name="spoofing",
        classes=CLASSES,
        input_size=(settings.size, settings.size),
        sources=sources,
        inputs=dict(_INPUTS),
        normalisation=None,
    )
