from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

SETTINGS = {
    "name": "leaves",
    "images": "images",
    "masks": "masks",
    "classes": ["ground", "leaf", "fruit"],
    "input_size": [32, 48],
}


class TaskFolder:
    """Ten images of 40x60 pixels: above ground, below a leaf to the left and a fruit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "images").mkdir()
        (root / "masks").mkdir()
        for index in range(10):
            self.add(f"{index:02d}")
        self.describe()

    def add(self, name: str, images: str = "images", masks: str = "masks") -> None:
        mask = np.zeros((40, 60), np.uint8)
        mask[20:, :30], mask[20:, 30:] = 1, 2
        self.save(mask, f"{masks}/{name}.png")
        pixels = np.stack([100 * mask] * 3, axis=-1)
        # No two images are the same.
        pixels[:8, :8] = zlib.crc32(f"{images}/{name}".encode()) % 199
        self.save(pixels, f"{images}/{name}.jpg")

    def save(self, pixels: np.ndarray, path: str) -> Path:
        (self.root / path).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(self.root / path)
        return self.root / path

    def describe(self, **changes: object) -> Path:
        values = {key: value for key, value in {**SETTINGS, **changes}.items() if value is not None}
        path = self.root / "task.yaml"
        path.write_text(yaml.safe_dump(values))
        return path


@pytest.fixture
def task_folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path)
