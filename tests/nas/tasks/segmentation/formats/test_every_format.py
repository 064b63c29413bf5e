"""Every format of masks is read to the pixel, checked and searched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from written_formats import FORMATS, mask

from nas import tasks


def _small(values: np.ndarray) -> torch.Tensor:
    resized = Image.fromarray(values).resize((48, 32), Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(resized))


def _expected(name: str) -> torch.Tensor:
    if name == "two_values":
        return _small(mask(1, 1))
    values = mask()
    if name == "voc":
        values[0] = 255
    if name == "celeb":
        values = np.ascontiguousarray(values[::2, ::2])
    return _small(values)


@pytest.mark.parametrize("name", FORMATS)
def test_every_pixel_has_its_class(name, tmp_path) -> None:
    task = tasks.load(FORMATS[name](tmp_path))
    expected = _expected(name)
    for split, count in (("train", 8), ("validation", 1), ("test", 1)):
        masks = task.dataset(split).targets
        assert masks.shape == (count, 32, 48)
        assert all(torch.equal(found, expected) for found in masks)


@pytest.mark.parametrize("name", FORMATS)
def test_the_check_finds_nothing_wrong(name, tmp_path) -> None:
    report = tasks.load(FORMATS[name](tmp_path)).check()
    assert report.problems == []
    assert [split.count for split in report.splits.values()] == [8, 1, 1]


@pytest.mark.parametrize("name", FORMATS)
def test_the_fingerprint_does_not_change_by_itself(name, tmp_path) -> None:
    root = FORMATS[name](tmp_path)
    assert tasks.load(root).fingerprint == tasks.load(root).fingerprint


@pytest.mark.parametrize("name", FORMATS)
def test_a_search_finishes(name, tmp_path, nas, tiny_own_data) -> None:
    (tmp_path / "data").mkdir()
    root = FORMATS[name](tmp_path / "data")
    run = tmp_path / "run"
    outcome = nas("search", "--data", root, "--run", run, *tiny_own_data, "--trials", 1)
    assert outcome.code == 0, outcome.err
    assert "1 complete" in nas("status", run).out
