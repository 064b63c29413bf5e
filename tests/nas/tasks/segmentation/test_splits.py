from __future__ import annotations

import pytest

from nas import tasks
from nas.errors import UserError


def names(task):
    return {split: task.dataset(split).names for split in task.splits}


def test_a_tenth_each_is_held_out_by_default(task_folder):
    found = names(tasks.load(task_folder.root))
    assert {split: len(files) for split, files in found.items()} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }
    assert sorted(sum(found.values(), ())) == [f"{index:02d}" for index in range(10)]


def test_held_out_files_depend_on_the_seed_alone(task_folder):
    drawn = []
    for seed in (1, 1, 2):
        task_folder.describe(splits={"validation": {"held_out": 0.3, "seed": seed}})
        drawn.append(names(tasks.load(task_folder.root))["validation"])
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 3


def test_ranges_take_parts_of_the_sorted_names(task_folder):
    task_folder.describe(splits={"train": "0:3", "validation": "3:5", "test": "0.5:1.0"})
    found = names(tasks.load(task_folder.root))
    assert found["train"] == ("00", "01", "02")
    assert found["validation"] == ("03", "04")
    assert found["test"] == ("05", "06", "07", "08", "09")


def test_list_files_keep_their_order_and_may_have_suffixes(task_folder):
    (task_folder.root / "v.txt").write_text("07\n02.jpg\n\n")
    task_folder.describe(splits={"train": "3:6", "validation": "v.txt", "test": "8:10"})
    assert names(tasks.load(task_folder.root))["validation"] == ("07", "02")


def test_own_folders_of_a_split(task_folder):
    task_folder.add("x", "val", "val_masks")
    splits = {"validation": {"images": "val", "masks": "val_masks"}, "test": "9:10", "train": "0:9"}
    task_folder.describe(splits=splits)
    assert names(tasks.load(task_folder.root))["validation"] == ("x",)


def test_missing_folder_is_named(task_folder):
    task_folder.describe(images="pictures")
    with pytest.raises(UserError, match="pictures: no such folder"):
        tasks.load(task_folder.root)


def test_missing_list_file_is_named(task_folder):
    task_folder.describe(splits={"train": "train.txt"})
    with pytest.raises(UserError, match=r"train\.txt: no such file"):
        tasks.load(task_folder.root)
