"""What the pages of mapped files take in memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nas import mapped_pages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone gives pages back so")

SIZE = 2**26


@pytest.fixture(autouse=True)
def _nothing_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_pages, "_bounded", {})


def _numpy_file(folder: Path) -> Tensor:
    np.save(folder / "a.npy", np.arange(SIZE, dtype=np.uint8))
    return torch.from_numpy(np.load(folder / "a.npy", mmap_mode="c"))


def _safetensors_file(folder: Path) -> Tensor:
    save_file({"map0": torch.arange(SIZE, dtype=torch.uint8)}, folder / "a.safetensors")
    return load_file(folder / "a.safetensors")["map0"]


@pytest.mark.parametrize("mapped", [_numpy_file, _safetensors_file])
def test_pages_that_are_given_back_are_read_again(tmp_path: Path, mapped) -> None:
    tensor = mapped(tmp_path)
    mapped_pages.bound(tensor)
    expected = torch.arange(SIZE, dtype=torch.uint8)
    assert torch.equal(tensor, expected)
    full = mapped_pages.held()
    mapped_pages.give_back()
    assert full - mapped_pages.held() > SIZE // 2
    assert torch.equal(tensor, expected)


def test_tensors_in_memory_stay_as_they_are() -> None:
    tensor = torch.ones(SIZE, dtype=torch.uint8)
    mapped_pages.bound(tensor)
    mapped_pages.give_back()
    assert bool((tensor == 1).all())


def test_pages_beyond_the_limit_are_given_back_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_pages, "LIMIT", SIZE // 4)
    monkeypatch.setattr(mapped_pages, "_watching", mapped_pages.threading.Lock())
    tensor = _numpy_file(tmp_path)
    assert int(tensor.max()) == 255
    full = mapped_pages.held()
    mapped_pages.bound(tensor)
    end = time.monotonic() + 60
    while full - mapped_pages.held() < SIZE // 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert full - mapped_pages.held() >= SIZE // 2
