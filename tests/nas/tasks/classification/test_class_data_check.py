from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from nas import tasks
from nas.errors import UserError


@pytest.fixture
def clean(photos):
    for split in ("val", "test"):
        for name in ("ant", "bee", "cat"):
            photos.add(split, name, 2)
    return photos


def test_clean_data_has_counts_and_sizes(clean):
    clean.save(np.zeros((10, 20, 3), np.uint8), "test/ant/other.png")
    report = tasks.check(clean.root)
    report.raise_if_bad()
    assert report.splits["train"].images == {"ant": 10, "bee": 20, "cat": 30}
    assert report.splits["test"].sizes == {(24, 32): 6, (10, 20): 1}
    assert report.splits["validation"].count == 6


def test_every_unreadable_file_is_named(clean):
    first, second = clean.root / "train/ant/001.png", clean.root / "test/ant/068.png"
    first.write_bytes(b"no image")
    second.write_bytes(second.read_bytes()[:-30])
    found = tasks.check(clean.root).problems
    assert [problem.split(": ")[0] for problem in found] == [str(first), str(second)]
    assert all("not a readable image" in problem for problem in found)


def test_an_unreadable_image_is_named_on_reading(clean):
    path = clean.root / "train/bee/011.png"
    path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"train/bee/011\.png: not a readable image"):
        _ = tasks.load(clean.root).dataset("train").images


def test_sixteen_bits_are_scaled_and_told(clean):
    clean.save(np.full((24, 32), 40000, np.uint16), "train/ant/deep.png")
    report = tasks.check(clean.root)
    assert report.problems == []
    assert report.notes == ["train/ant/deep.png: scaled to 8 bits from 0 to 65535."]


def test_one_photo_in_two_classes_is_named(clean):
    shutil.copy(clean.root / "train/ant/001.png", clean.root / "train/bee/other.png")
    assert tasks.check(clean.root).problems == [
        "train/bee/other.png: of the class 'bee', and the same image is of the class 'ant' as "
        "train/ant/001.png."
    ]


def test_a_photo_saved_anew_is_the_same_photo(clean):
    with Image.open(clean.root / "train/ant/001.png") as image:
        image.save(clean.root / "test/ant/new.bmp")
    (problem,) = tasks.check(clean.root).problems
    assert problem.startswith("test/ant/new.bmp: in test, and the same image is in train")


def test_an_image_in_two_splits_is_named(clean):
    shutil.copy(clean.root / "train/ant/001.png", clean.root / "test/ant/copy.png")
    assert tasks.check(clean.root).problems == [
        "test/ant/copy.png: in test, and the same image is in train as train/ant/001.png."
    ]


def test_a_copy_within_a_split_is_no_problem(clean):
    shutil.copy(clean.root / "train/ant/001.png", clean.root / "train/ant/copy.png")
    assert tasks.check(clean.root).problems == []


def test_classes_without_images_are_named(clean):
    for path in [*(clean.root / "train/ant").iterdir(), *(clean.root / "val/bee").iterdir()]:
        path.unlink()
    shutil.rmtree(clean.root / "test/cat")
    assert tasks.check(clean.root).problems == [
        "train: no image of the class 'ant'; add some, or take the class away.",
        "validation: no image of the class 'bee'; add some, or take the class away.",
    ]


def test_an_empty_split_is_named(clean):
    for name in ("ant", "bee", "cat"):
        shutil.rmtree(clean.root / "val" / name)
    assert tasks.check(clean.root).problems == ["validation: the split has no image."]


def test_folders_without_images_are_named(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / "train" / name).mkdir(parents=True)
    assert tasks.check(tmp_path).problems == [
        f"{split}: the split has no image." for split in ("train", "validation", "test")
    ]


def test_idx_files_are_counted(idx):
    report = tasks.check(idx.root)
    assert report.problems == []
    assert report.splits["train"].images == {"0": 18, "1": 18, "2": 18}
    assert report.splits["test"].sizes == {(6, 4): 12}
