"""Scores against masks as they are stored, where the network takes images of another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from nas import tasks
from nas.deployment.scores import scores_of
from nas.kinds.segmentation.scoring import score_at_own_size, score_network
from rewards import Reward

SPLITS = ("train", "validation", "test")
CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images a split, 64x64 and 32x128, bright in the leaf; their last rows are ignored."""
    for name in (f"images/{split}" for split in SPLITS):
        for index, size in enumerate([(64, 64), (32, 128)]):
            mask = np.zeros(size, np.uint8)
            # An odd edge, which a mask of half the size cannot have.
            mask[:, : size[1] // 2 + 1] = 1
            mask[-1] = 255
            path = tmp_path / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.repeat((200 * (mask == 1)).astype(np.uint8)[..., None], 3, axis=-1)
            pixels[0, 0] += index + len(name)
            Image.fromarray(pixels).save(path)
            masks = tmp_path / name.replace("images", "masks")
            masks.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(masks / f"{index}.png")
    _describe(tmp_path, [32, 64])
    return tmp_path


def _describe(folder: Path, size: list[int]) -> None:
    values = {"name": "leaves", "classes": ["ground", "leaf"], "input_size": size}
    splits = {one: {"images": f"images/{one}", "masks": f"masks/{one}"} for one in SPLITS}
    settings = {**values, "splits": splits, "ignore_index": 255}
    (folder / "task.yaml").write_text(yaml.safe_dump(settings))


def left(images: torch.Tensor) -> torch.Tensor:
    """Leaf in the left half of every image and ground in the right half, without doubt."""
    count, _, height, width = images.shape
    logits = torch.full((count, 2, height, width), -100.0)
    logits[:, 1, :, : width // 2] = 100
    logits[:, 0, :, width // 2 :] = 100
    return logits


def test_each_image_is_scored_at_the_size_of_its_mask(folder) -> None:
    card = score_at_own_size(left, tasks.load(folder), "test", CPU)
    # 63 rows of 64 pixels and 31 of 128 count, each with a pixel of leaf taken for ground.
    assert card.confusion.tolist() == [[63 * 31 + 31 * 63, 0], [63 + 31, 63 * 32 + 31 * 64]]
    assert card.figures["accuracy"] == pytest.approx(1 - 94 / (63 * 64 + 31 * 128))


def test_batches_may_hold_masks_of_several_sizes(folder) -> None:
    task = tasks.load(folder)
    whole, single = (score_at_own_size(left, task, "test", CPU, "none", n) for n in (2, 1))
    assert whole.confusion.tolist() == single.confusion.tolist()


def test_both_figures_of_the_test_split_are_recorded(folder) -> None:
    task = tasks.load(folder)
    record = scores_of(left, task, CPU, Reward(("leaf",), "iou"))
    assert "own_size" not in record["validation"]
    network, own = record["test"], record["test"]["own_size"]
    card = score_at_own_size(left, task, "test", CPU)
    assert own["quality"] == pytest.approx(card.scores["iou"]["leaf"])
    assert own["macro"] == pytest.approx(card.macro)
    assert network["macro"] == pytest.approx(score_network(left, task, "test", CPU).macro)
    assert own["macro"] != pytest.approx(network["macro"])


def test_masks_of_the_size_that_the_network_takes_have_no_other_score(folder) -> None:
    for split in SPLITS:
        for part in ("images", "masks"):
            (folder / part / split / "1.png").unlink()
    _describe(folder, [64, 64])
    assert score_at_own_size(left, tasks.load(folder), "test", CPU) is None
    assert score_at_own_size(left, tasks.load("faces", test=2, size=32), "test", CPU) is None
