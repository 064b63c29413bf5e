"""A run and its images, each moved to another folder."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from nas.searching.run_folder import RunFolder

ENCODER = "mobilenetv3_small_050"


def _draw(root: Path, corrected: bool = False) -> None:
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for index in range(16):
        mask = np.zeros((32, 32), np.uint8)
        mask[8:24, 4 + index : 14 + index] = 1
        pixels = np.where(mask[..., None], 200, 60) + rng.integers(0, 20, (32, 32, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"images/{index:02d}.png")
        Image.fromarray(1 - mask if corrected else mask).save(root / f"masks/{index:02d}.png")
    values = {"name": "bars", "images": "images", "masks": "masks", "input_size": [32, 32]}
    (root / "task.yaml").write_text(yaml.safe_dump(values | {"classes": ["ground", "bar"]}))


@pytest.fixture(scope="module")
def moved(tmp_path_factory, nas) -> Path:
    """A folder with `runs/a`, whose images were named by a relative path and are in `new` now."""
    root = tmp_path_factory.mktemp("moved")
    _draw(root / "data")
    with contextlib.chdir(root):
        outcome = nas(
            *("search", "--data", "data", "--run", "runs/a", "--no-distillation"),
            *("--encoder", ENCODER, "--encoder-weights", "none", "--device", "cpu"),
            *("--controller", "random", "--trials", "1"),
            *("--set", "evaluation.stage0={epochs: 1, batch_size: 8}"),
            *("--space", "fastnas", "--set", "space.options={branches: 2, cells: 1, width: 8}"),
        )
    assert outcome.code == 0, outcome.err
    (root / "data").rename(root / "new")
    _draw(root / "corrected", corrected=True)
    return root


def test_a_run_knows_its_images_from_any_folder(moved) -> None:
    assert RunFolder.open(moved / "runs" / "a").config().task == str(moved / "data")


def test_what_needs_no_images_asks_for_none(moved, nas, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(moved / "runs" / "a", tmp_path / "copy")
    assert nas("status", "copy").code == 0
    found = nas("latency", "copy", "--best", "--runs", "20")
    assert found.code == 0, found.err


def test_images_that_are_gone_are_asked_for(moved, refused) -> None:
    line = refused("retrain", moved / "runs" / "a", "--best")
    assert "data" in line


def test_a_candidate_is_retrained_on_images_that_moved(moved, nas, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(moved / "runs" / "a", run)
    done = nas(
        *("retrain", run, "--best", "--data", moved / "new", "--device", "cpu"),
        *("--set", "epochs=1", "--set", "batch_size=8"),
    )
    assert done.code == 0, done.err
    (network,) = (run / "retrain").iterdir()
    exported = nas("export", network, "--int8", "--data", moved / "new", "--device", "cpu")
    assert exported.code == 0, exported.err


def test_other_labels_are_refused_where_images_moved(moved, refused) -> None:
    run = moved / "runs" / "a"
    for command in (("retrain", run, "--best"), ("search", "--resume", "--run", run)):
        line = refused(*command, "--data", moved / "corrected", "--device", "cpu")
        assert "not those that its trials learned from" in line


def test_a_search_goes_on_with_images_that_moved(moved, nas, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(moved / "runs" / "a", run)
    done = nas("search", "--resume", "--run", run, "--data", moved / "new", "--trials", "2")
    assert done.code == 0, done.err
    assert RunFolder.open(run).config().task == str(moved / "new")
