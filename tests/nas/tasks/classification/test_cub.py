from __future__ import annotations

import pytest
import torch

from nas import tasks
from nas.errors import UserError


def test_the_lists_give_classes_and_splits(birds):
    task = tasks.load(birds.root)
    assert task.classes == ("001.Albatross", "002.Auklet")
    assert task.input_size == (224, 224)
    folders = ["002.Bird", "001.Bird"] * 2
    assert task.dataset("test").names == tuple(
        f"images/{folder}/{number}.jpg"
        for folder, number in zip(folders, range(9, 13), strict=True)
    )
    assert task.dataset("test").targets.tolist() == [1, 0, 1, 0]


def test_validation_is_held_out_of_train_by_class(birds):
    task = tasks.load(birds.root, validation_share=0.25)
    train, validation = task.dataset("train"), task.dataset("validation")
    assert torch.bincount(validation.targets).tolist() == [1, 1]
    assert torch.bincount(train.targets).tolist() == [3, 3]
    assert not set(train.names) & set(validation.names)


def test_images_are_cropped_to_the_input_size(birds):
    data = tasks.load(birds.root, input_size=[16, 16]).dataset("test")
    assert data.images.shape == (4, 3, 16, 16)
    assert data.images[:, 0, 8, 8].tolist() == pytest.approx([9, 10, 11, 12], abs=2)


def test_classes_rename_the_birds(birds):
    assert tasks.load(birds.root, classes=["a", "b"]).classes == ("a", "b")
    with pytest.raises(UserError, match="classes has 3 names, but the data have 2 classes"):
        tasks.load(birds.root, classes=["a", "b", "c"])


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("images.txt", "3 002.Bird/3.jpg", "3", r"images\.txt: line 3, '3', is no number"),
        ("images.txt", "3 002.Bird/3.jpg", "2 x.jpg", r"line 3 gives the number 2 again"),
        ("image_class_labels.txt", "3 2", "", r"labels\.txt: no line for image 3, 002\.Bird"),
        ("image_class_labels.txt", "3 2", "3 7", r"image 3 has '7', which is no class of"),
        ("train_test_split.txt", "3 1", "3 2", r"split\.txt: image 3 has '2', which is neither 1"),
    ],
)
def test_a_wrong_line_is_named(birds, file, old, new, message):
    birds.replace(file, old, new)
    with pytest.raises(UserError, match=message):
        tasks.load(birds.root)


def test_a_listed_file_outside_the_data_is_refused_unless_the_task_allows_it(birds):
    birds.replace("images.txt", "3 002.Bird/3.jpg", "3 ../../elsewhere/3.jpg")
    with pytest.raises(UserError, match=r"images\.txt: image 3 names .* paths_outside: true"):
        tasks.load(birds.root)
    assert tasks.load(birds.root, paths_outside=True).classes


def test_a_missing_list_is_named(birds):
    (birds.root / "classes.txt").unlink()
    with pytest.raises(UserError, match=r"classes\.txt: no such file"):
        tasks.load(birds.root)


def test_a_listed_file_that_is_missing_is_named(birds):
    (birds.root / "images/002.Bird/11.jpg").unlink()
    (problem,) = tasks.check(birds.root).problems
    assert problem.startswith(str(birds.root / "images/002.Bird/11.jpg"))
