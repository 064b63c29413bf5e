from __future__ import annotations

import numpy as np
import pytest

from nas import tasks
from nas.errors import UserError


@pytest.fixture
def ranged(task_folder):
    task_folder.describe(splits={"train": "0:6", "validation": "6:8", "test": "8:10"})
    return task_folder


def problems(folder):
    return tasks.check(folder.root).problems


def test_clean_data_has_counts_sizes_and_shares(ranged):
    report = tasks.check(ranged.root)
    report.raise_if_bad()
    train = report.splits["train"]
    assert report.problems == []
    assert (train.count, train.sizes) == (6, {(40, 60): 6})
    assert train.shares == {"ground": 0.5, "leaf": 0.25, "fruit": 0.25}
    assert train.ignored == 0


def test_an_image_without_mask_is_named(ranged):
    (ranged.root / "masks" / "03.png").unlink()
    (found,) = problems(ranged)
    assert found.startswith(str(ranged.root / "images" / "03.jpg"))
    assert "no mask 03.png" in found


def test_a_mask_without_image_is_named(ranged):
    ranged.save(np.zeros((40, 60), np.uint8), "masks/99.png")
    (found,) = problems(ranged)
    assert found.startswith(str(ranged.root / "masks" / "99.png"))


def test_every_listed_name_without_image_is_named(ranged):
    (ranged.root / "t.txt").write_text("08\nlost\nastray\n")
    ranged.describe(splits={"train": "0:6", "validation": "6:8", "test": "t.txt"})
    assert [found.split("names ")[1].split(",")[0] for found in problems(ranged)] == [
        "lost",
        "astray",
    ]


def test_unlisted_images_without_mask_are_no_problem(ranged):
    (ranged.root / "masks" / "09.png").unlink()
    for split, names in {"train": "00\n01", "validation": "02", "test": "03"}.items():
        (ranged.root / f"{split}.txt").write_text(names)
    ranged.describe(splits={split: f"{split}.txt" for split in ("train", "validation", "test")})
    assert problems(ranged) == []


def test_values_outside_the_classes_are_listed_with_the_file(ranged):
    mask = np.zeros((40, 60), np.uint8)
    mask[0, :2] = 9, 200
    path = ranged.save(mask, "masks/01.png")
    assert problems(ranged) == [
        f"{path}: the value 9, 200 is neither a class nor ignore_index 255."
    ]


def test_ignored_pixels_are_counted_apart(ranged):
    mask = np.zeros((40, 60), np.uint8)
    mask[:10] = 255
    for name in ("08", "09"):
        ranged.save(mask, f"masks/{name}.png")
    report = tasks.check(ranged.root).splits["test"]
    assert (report.ignored, report.shares["ground"]) == (0.25, 0.75)


def test_unreadable_image_and_mask_are_both_named(ranged):
    (ranged.root / "images" / "02.jpg").write_bytes(b"broken")
    (ranged.root / "masks" / "02.png").write_bytes(b"broken")
    image, mask = problems(ranged)
    assert "02.jpg: not a readable image" in image
    assert "02.png: not a readable image" in mask


def test_different_sizes_of_image_and_mask(ranged):
    path = ranged.save(np.zeros((20, 60), np.uint8), "masks/05.png")
    assert problems(ranged) == [f"{path}: the mask has 20x60 pixels, its image 40x60."]


def test_two_images_of_the_same_name(ranged):
    path = ranged.save(np.zeros((40, 60, 3), np.uint8), "images/05.png")
    assert problems(ranged) == [f"{path}: 05.jpg has the same name."]


def test_a_reward_class_that_validation_lacks(ranged):
    for name in ("06", "07"):
        ranged.save(np.ones((40, 60), np.uint8), f"masks/{name}.png")
    ranged.describe(
        splits={"train": "0:6", "validation": "6:8", "test": "8:10"},
        reward_classes=["leaf", "fruit"],
    )
    (found,) = problems(ranged)
    assert "reward class 'fruit'" in found


def test_an_empty_split_is_named(ranged):
    ranged.describe(splits={"train": "0:6", "validation": "6:8", "test": "20:30"})
    assert problems(ranged) == ["test: the split has no labelled image."]


def test_overlapping_splits_name_the_shared_file(ranged):
    ranged.describe(splits={"train": "0:7", "validation": "6:8", "test": "8:10"})
    path = ranged.root / "images" / "06.jpg"
    assert problems(ranged) == [f"{path}: in both train and validation."]


def test_bad_data_is_refused_with_the_first_problem_and_the_number_of_others(ranged):
    for name in ("00", "01", "02"):
        (ranged.root / "masks" / f"{name}.png").unlink()
    with pytest.raises(UserError, match=r"00\.jpg: no mask.*\(2 more;"):
        tasks.check(ranged.root).raise_if_bad()


def test_a_loaded_task_can_be_checked(ranged):
    assert tasks.check(tasks.load(ranged.root)).splits["validation"].count == 2
