from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLOURS = {"ant": (200, 0, 0), "bee": (0, 200, 0), "cat": (0, 0, 200)}


class Photos:
    """Images of 24x32 pixels in ImageFolder's layout, each with its own shade of its class."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = 0

    def add(self, split: str, name: str, count: int = 1) -> None:
        for _ in range(count):
            self._count += 1
            colour = np.array(COLOURS.get(name, (90, 90, 90)))
            pixels = np.broadcast_to(colour, (24, 32, 3)).astype(np.uint8).copy()
            pixels[0, 0] = (*divmod(self._count, 256), 0)
            self.save(pixels, f"{split}/{name}/{self._count:03d}.png")

    def save(self, pixels: np.ndarray, path: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(self.root / path)

    def describe(self, text: str = "") -> Path:
        path = self.root / "task.yaml"
        path.write_text(f"name: photos\nkind: classification\n{text}")
        return path


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    """Ten ants, twenty bees and thirty cats to learn from, and no other split."""
    folder = Photos(tmp_path / "photos")
    for number, name in enumerate(COLOURS, start=1):
        folder.add("train", name, 10 * number)
    return folder


class Idx:
    """Idx files of 6x4 pixels; the first pixel of an image is 10 times its label."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def add(self, split: str, labels: np.ndarray, suffix: str = "") -> None:
        images = np.zeros((len(labels), 6, 4), np.uint8)
        images[:, 0, 0] = 10 * labels
        # Tells the images of one class apart.
        images[:, 5, 3], images[:, 5, 2] = np.divmod(np.arange(len(labels)), 256)
        self.write(f"{split}-images-idx3-ubyte{suffix}", images)
        self.write(f"{split}-labels-idx1-ubyte{suffix}", labels)

    def write(self, name: str, values: np.ndarray) -> None:
        start = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
        content = start + values.astype(np.uint8).tobytes()
        compressed = gzip.compress(content) if name.endswith(".gz") else content
        (self.root / name).write_bytes(compressed)


@pytest.fixture
def idx(tmp_path: Path) -> Idx:
    """Twenty images of each of three classes to learn from, four of each to test on."""
    files = Idx(tmp_path / "idx")
    files.add("train", np.tile(np.arange(3), 20))
    files.add("t10k", np.tile(np.arange(3), 4))
    return files


class Birds:
    """CUB's lists with two birds, six images each: four for training, two for testing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "images").mkdir(parents=True)
        images, labels, split = [], [], []
        for number in range(1, 13):
            path = f"{1 + number % 2:03d}.Bird/{number}.jpg"
            file = root / "images" / path
            file.parent.mkdir(exist_ok=True)
            Image.new("RGB", (40, 30), (number, 20, 20 * number)).save(file)
            images.append(f"{number} {path}")
            labels.append(f"{number} {1 + number % 2}")
            split.append(f"{number} {int(number <= 8)}")
        self.write("images.txt", images)
        self.write("image_class_labels.txt", labels)
        self.write("train_test_split.txt", split)
        self.write("classes.txt", ["1 001.Albatross", "2 002.Auklet"])

    def write(self, name: str, lines: list[str]) -> None:
        (self.root / name).write_text("\n".join(lines) + "\n")

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        lines = path.read_text().splitlines()
        self.write(name, [new if line == old else line for line in lines])


@pytest.fixture
def birds(tmp_path: Path) -> Birds:
    return Birds(tmp_path / "CUB_200_2011")
