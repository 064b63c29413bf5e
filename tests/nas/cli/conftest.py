from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    "input_size": [32, 32],
}


class OwnData:
    """Ten images of 40x40 pixels: above ground, below a leaf to the left and a fruit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True)
        for index in range(10):
            mask = self.mask(2)
            self.save(mask, f"masks/{index:02d}.png")
            pixels = np.stack([100 * mask] * 3, axis=-1)
            # No two images are the same.
            pixels[:8, :8] = 20 * index
            self.save(pixels, f"images/{index:02d}.jpg")
        self.describe()

    @staticmethod
    def mask(value: int) -> np.ndarray:
        """A mask whose lower right quarter has this value."""
        mask = np.zeros((40, 40), np.uint8)
        mask[20:, :20], mask[20:, 20:] = 1, value
        return mask

    def save(self, pixels: np.ndarray, path: str) -> None:
        Image.fromarray(pixels).save(self.root / path)

    def describe(self, **changes: object) -> None:
        (self.root / "task.yaml").write_text(yaml.safe_dump({**SETTINGS, **changes}))


@pytest.fixture(scope="session")
def make_own_data() -> type[OwnData]:
    """Makes such a folder, for a fixture that lasts longer than a test."""
    return OwnData


@pytest.fixture
def task_folder(tmp_path: Path) -> OwnData:
    return OwnData(tmp_path / "leaves")


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such images, not to be changed."""
    return OwnData(tmp_path_factory.mktemp("shared") / "leaves").root


@pytest.fixture
def refused(nas, tmp_path, monkeypatch) -> Callable[..., str]:
    """Runs a command that must be refused, and returns what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, watched: Path | None = None) -> str:
        with _untouched(tmp_path, *([watched] if watched else [])):
            outcome = nas(*arguments)
        assert (outcome.code, outcome.out) == (2, "")
        (line,) = outcome.err.splitlines()
        assert line.startswith("nas: ") and line.endswith((".", "?", ")", "'"))
        return line

    return run


@contextmanager
def _untouched(*folders: Path) -> Iterator[None]:
    before = {folder: _content(folder) for folder in folders}
    yield
    for folder, content in before.items():
        assert _content(folder) == content


def _content(folder: Path) -> dict[Path, tuple[int, int]]:
    found = {path: path.stat() for path in folder.rglob("*")}
    return {
        path: (stat.st_size, stat.st_mtime_ns if path.is_file() else 0)
        for path, stat in found.items()
    }
