"""Stratified parts of large training splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nas import tasks
from nas.tasks.part import stratified, with_part


@pytest.mark.parametrize("count", [1, 7, 30, 100])
def test_each_stratum_has_its_share_to_within_one(count: int) -> None:
    strata = np.repeat([5, 2, 9], [60, 30, 10])
    rows = stratified(strata, count, 0)
    assert len(set(rows.tolist())) == count
    assert rows.tolist() == sorted(rows)
    for number, size in ((5, 60), (2, 30), (9, 10)):
        assert abs((strata[rows] == number).sum() - count * size / 100) < 1


def test_the_choice_within_a_stratum_is_a_matter_of_the_seed() -> None:
    strata = np.zeros(100, np.int64)
    found = [stratified(strata, 10, seed).tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_a_part_holds_images_with_their_masks_and_leaves_other_splits_whole() -> None:
    task = tasks.load("faces", size=32, train=12, validation=3, test=3)
    part = with_part(task, 5)
    whole, some = task.dataset("train"), part.dataset("train")
    assert len(some) == 5
    for index, name in enumerate(some.names):
        row = whole.names.index(name)
        assert torch.equal(some.images[index], whole.images[row])
        assert torch.equal(some.targets[index], whole.targets[row])
    assert part.dataset("validation").names == task.dataset("validation").names
    assert part.fingerprint != task.fingerprint
    assert with_part(task, 5).fingerprint == part.fingerprint
    found = part.sources["train"].inspect()
    assert [one.counts.tolist() for one in found] == [
        np.bincount(mask.flatten(), minlength=12).tolist() for mask in some.targets
    ]


def test_images_whose_masks_have_the_same_classes_are_a_stratum(task_folder: Any) -> None:
    bare = sorted(tasks.load(task_folder.root).sources["train"].names)[0]
    task_folder.save(np.zeros((40, 60), np.uint8), f"masks/{bare}.png")
    source = tasks.load(task_folder.root).sources["train"]
    strata = dict(zip(source.names, source.strata().tolist(), strict=True))
    other = strata.pop(bare)
    assert len(strata) == 7
    assert set(strata.values()) == {1 - other}


@pytest.mark.parametrize("size", ["all", "auto", 12, 40])
def test_a_small_split_stays_whole(size: Any) -> None:
    task = tasks.load("faces", size=32, train=12, validation=3, test=3)
    assert with_part(task, size) is task


def test_a_large_split_gives_4000_images(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(255, (4100, 1, 8, 8), dtype=torch.uint8)
    labels = torch.arange(4100) % 2
    data = torch.utils.data.TensorDataset(images, labels)
    few = torch.utils.data.TensorDataset(images[:4], labels[:4])
    task = tasks.from_datasets("dots", ["even", "odd"], data, few, few)
    assert with_part(task, "auto") is task
    monkeypatch.setattr("nas.tasks.part.LARGE", 64 * 4099)
    part = with_part(task, "auto")
    assert part.dataset("train").targets.bincount().tolist() == [2000, 2000]
    # Networks see the images as they do in a training on all of them.
    assert (part.mean, part.std) == (task.mean, task.std)
