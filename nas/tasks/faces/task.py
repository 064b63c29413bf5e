"""The built-in task: faces that are drawn, not photographed."""

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
from nas.tasks.faces.anatomy import (
    CLASSES,
    LEFT_BROW,
    LEFT_EYE,
    RIGHT_BROW,
    RIGHT_EYE,
)
from nas.tasks.faces.cache import read_arrays, write_arrays
from nas.tasks.faces.drawing import draw_faces
from nas.tasks.segmentation.source import MaskInspection, SegmentationSource
from nas.tasks.segmentation.task import SegmentationTask
from nas.tasks.task import SPLITS
from user_folders import cache_folder

_ARRAYS = ("images", "masks")
# All other files of this package decide what a face looks like.
_NOT_DRAWING = ("__init__.py", "cache.py", "task.py")


class FacesSettings(Settings):
    """The options of the task `faces`.

    Attributes:
        seed: Decides every face.
        size: Side of the square images in pixels.
        train: Number of images to learn from.
        validation: Number of images that guide a search.
        test: Number of images to test on.
    """

    seed: int = Field(default=0, ge=0)
    size: int = Field(default=64, ge=32, le=512)
    train: int = Field(default=600, ge=1)
    validation: int = Field(default=100, ge=1)
    test: int = Field(default=100, ge=1)


class FacesSource(SegmentationSource):
    """The drawn faces of one split.

    Args:
        seed: Decides every face of the split.
        count: Number of faces.
        size: Side of the images in pixels.
    """

    def __init__(self, seed: tuple[int, ...], count: int, size: int) -> None:
        self.names = tuple(f"face{index:05d}" for index in range(count))
        self._seed = seed
        self._size = size

    @property
    def digest(self) -> str:
        seed = "-".join(str(number) for number in self._seed)
        return f"faces-{_drawing()}-seed{seed}-size{self._size}-count{len(self.names)}"

    @property
    def cache_file(self) -> Path:
        """Where the faces are kept once they are drawn."""
        return cache_folder() / "faces" / f"{self.digest}.npz"

    def read(self) -> tuple[Tensor, Tensor]:
        images, masks = self._arrays()
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks)

    def inspect(self) -> Iterator[MaskInspection]:
        for mask in self.tensors[1].numpy():
            counts = np.bincount(mask.ravel(), minlength=len(CLASSES) + 1)
            yield MaskInspection((self._size, self._size), counts)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        shape = (len(self.names), self._size, self._size)
        stored = read_arrays(self.cache_file, _ARRAYS)
        if stored and stored[0].shape == (*shape, 3) and stored[1].shape == shape:
            return stored
        drawn = draw_faces(self._seed, len(self.names), self._size)
        write_arrays(self.cache_file, dict(zip(_ARRAYS, drawn, strict=True)))
        return drawn


@cache
def _drawing() -> str:
    """Changes with the source of the drawing, so that no cache holds faces of an older one."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    sources = [file.read_bytes() for file in files if file.name not in _NOT_DRAWING]
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


def load_faces(**options: Any) -> SegmentationTask:
    """Builds the task; the faces are drawn when they are first used.

    Args:
        **options: Fields of `FacesSettings`.

    Raises:
        UserError: If an option is unknown or has a wrong value.
    """
    settings = validate(FacesSettings, options, "task faces")
    sources: dict[str, SegmentationSource] = {
        split: FacesSource((settings.seed, number), getattr(settings, split), settings.size)
        for number, split in enumerate(SPLITS)
    }
    return SegmentationTask(
        name="faces",
        classes=CLASSES,
        input_size=(settings.size, settings.size),
        sources=sources,
        reward_classes=("left_eye", "right_eye", "left_brow", "right_brow"),
        pairs=((LEFT_BROW, RIGHT_BROW), (LEFT_EYE, RIGHT_EYE)),
        groups={
            "eyes": ["left_eye", "right_eye"],
            "brows": ["left_brow", "right_brow"],
            "overall": [
                ["left_brow", "right_brow"],
                ["left_eye", "right_eye"],
                "nose",
                ["upper_lip", "inner_mouth", "lower_lip"],
            ],
        },
    )
