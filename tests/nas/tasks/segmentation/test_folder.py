from __future__ import annotations

import numpy as np
import pytest
import torch

from nas import tasks
from nas.errors import UserError


def test_images_and_masks_have_the_input_size(task_folder):
    data = tasks.load(task_folder.root).dataset("train")
    assert data.images.shape == (8, 3, 32, 48)
    assert data.targets.shape == (8, 32, 48)
    assert data.images.dtype == data.targets.dtype == torch.uint8


def test_masks_keep_their_classes_when_resized(task_folder):
    mask = tasks.load(task_folder.root).dataset("train").targets[0]
    assert mask[:16].unique().tolist() == [0]
    assert mask[16:, :24].unique().tolist() == [1]
    assert mask[16:, 24:].unique().tolist() == [2]


def test_an_item_is_an_image_and_its_mask(task_folder):
    data = tasks.load(task_folder.root).dataset("train")
    image, mask = data[3]
    assert torch.equal(image, data.images[3])
    assert torch.equal(mask, data.targets[3])


def test_a_transform_is_applied_to_items_only(task_folder):
    task = tasks.load(task_folder.root)
    data = task.dataset("train", lambda image, mask: (image // 2, mask + 1))
    plain = task.dataset("train")
    assert torch.equal(data[0][0], plain.images[0] // 2)
    assert torch.equal(data[0][1], plain.targets[0] + 1)
    assert data.images is plain.images


def test_values_are_renumbered_and_the_ignored_value_moves_out_of_the_way(task_folder):
    classes = {1: "leaf", 2: "fruit"}
    task_folder.describe(classes=classes, ignore_index=0)
    task = tasks.load(task_folder.root)
    mask = task.dataset("train").targets[0]
    assert (task.classes, task.ignore_index) == (("leaf", "fruit"), 255)
    assert (mask[0, 0], mask[-1, 0], mask[-1, -1]) == (255, 0, 1)


def test_an_ignored_value_beyond_the_classes_stays(task_folder):
    task_folder.describe(classes=["ground", "leaf"], ignore_index=2)
    task = tasks.load(task_folder.root)
    assert task.ignore_index == 2
    assert task.dataset("train").targets.unique().tolist() == [0, 1, 2]


def test_all_classes_are_rewarded_unless_some_are_named(task_folder):
    assert tasks.load(task_folder.root).reward_classes == ("ground", "leaf", "fruit")
    task_folder.describe(reward_classes=["leaf"])
    assert tasks.load(task_folder.root).reward_classes == ("leaf",)


def test_pairs_are_indices_and_groups_are_names(task_folder):
    task_folder.describe(pairs=[["fruit", "leaf"]], groups={"plant": ["ground", ["leaf", "fruit"]]})
    task = tasks.load(task_folder.root)
    assert task.pairs == ((2, 1),)
    assert task.groups == {"plant": ["ground", ["leaf", "fruit"]]}


def test_reading_refuses_an_unknown_value(task_folder):
    task_folder.save(np.full((40, 60), 77, np.uint8), "masks/04.png")
    task_folder.describe(splits={"train": "0:8", "validation": "8:9", "test": "9:10"})
    with pytest.raises(UserError, match=r"04\.png: the value 77 is neither"):
        _ = tasks.load(task_folder.root).dataset("train").images


def test_reading_refuses_a_folder_with_a_missing_mask(task_folder):
    (task_folder.root / "masks" / "04.png").unlink()
    with pytest.raises(UserError, match=r"04\.jpg: no mask"):
        _ = tasks.load(task_folder.root).dataset("validation").images


def test_fingerprint_follows_the_bytes_of_the_files(task_folder):
    before = tasks.load(task_folder.root).fingerprint
    assert tasks.load(task_folder.root).fingerprint == before
    task_folder.save(np.zeros((40, 60), np.uint8), "masks/04.png")
    assert tasks.load(task_folder.root).fingerprint != before


def test_fingerprint_follows_the_input_size_but_not_the_reward(task_folder):
    before = tasks.load(task_folder.root).fingerprint
    assert tasks.load(task_folder.root, reward_classes=["leaf"]).fingerprint == before
    assert tasks.load(task_folder.root, input_size=[64, 64]).fingerprint != before
