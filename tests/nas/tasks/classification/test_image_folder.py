from __future__ import annotations

import numpy as np
import pytest
import torch

from nas import tasks
from nas.errors import UserError

SMALL = {"input_size": [24, 32]}


def counts(task):
    return {
        split: torch.bincount(task.dataset(split).targets, minlength=task.num_classes).tolist()
        for split in task.splits
    }


def test_a_folder_of_images_by_class_is_a_task(photos):
    task = tasks.load(photos.root)
    assert (task.kind, task.name, task.classes) == (
        "classification",
        "photos",
        ("ant", "bee", "cat"),
    )
    assert (task.num_classes, task.reward_classes) == (3, task.classes)
    assert task.input_size == (224, 224)
    assert task.mean == (0.485, 0.456, 0.406)


def test_missing_splits_are_a_tenth_of_each_class(photos):
    assert counts(tasks.load(photos.root)) == {
        "train": [8, 16, 24],
        "validation": [1, 2, 3],
        "test": [1, 2, 3],
    }


@pytest.mark.parametrize("folder", ["val", "valid", "validation"])
def test_the_folder_of_validation_has_one_of_three_names(photos, folder):
    photos.add(folder, "ant", 2)
    photos.add(folder, "bee", 1)
    found = counts(tasks.load(photos.root))
    assert found["validation"] == [2, 1, 0]
    assert found["train"] == [9, 18, 27]


def test_three_folders_leave_train_whole(photos):
    for folder in ("val", "test"):
        photos.add(folder, "cat", 2)
    assert counts(tasks.load(photos.root))["train"] == [10, 20, 30]


def test_images_have_the_colour_of_their_class(photos):
    data = tasks.load(photos.root, **SMALL).dataset("train")
    assert (data.images.shape, data.images.dtype) == ((48, 3, 24, 32), torch.uint8)
    assert data.targets.dtype == torch.int64
    assert torch.equal(data.images[:, :, 12, 16].argmax(dim=1), data.targets)


def test_an_item_is_an_image_and_its_class(photos):
    data = tasks.load(photos.root, **SMALL).dataset("train")
    image, label = data[47]
    assert torch.equal(image, data.images[47]) and label == 2
    assert data.names[47].startswith("train/cat/") and len(data) == 48


def test_data_sets_of_one_split_share_their_images(photos):
    task = tasks.load(photos.root, **SMALL)
    assert task.dataset("test").images is task.dataset("test").images


def test_grey_images_get_three_channels(photos):
    photos.save(np.full((24, 32), 77, np.uint8), "test/ant/grey.png")
    assert tasks.load(photos.root, **SMALL).dataset("test").images.unique().tolist() == [77]


def test_folders_inside_a_class_belong_to_it(photos):
    photos.save(np.zeros((24, 32, 3), np.uint8), "train/ant/more/inner/x.png")
    assert sum(split[0] for split in counts(tasks.load(photos.root)).values()) == 11


def test_other_files_are_passed_over(photos):
    (photos.root / "train/ant/notes.txt").write_text("no image")
    (photos.root / "train/ant/._001.png").write_bytes(b"left by another system")
    assert sum(split[0] for split in counts(tasks.load(photos.root)).values()) == 10


def test_classes_choose_folders_and_their_order(photos):
    task = tasks.load(photos.root, classes=["cat", "ant"])
    assert task.classes == ("cat", "ant")
    assert counts(task)["train"] == [24, 8]


def test_a_class_without_folder_is_refused(photos):
    with pytest.raises(UserError, match="no folder of the class 'catt'; did you mean 'cat'"):
        tasks.load(photos.root, classes=["catt", "ant"])


def test_two_folders_for_one_split_are_refused(photos):
    photos.add("val", "ant")
    photos.add("valid", "ant")
    with pytest.raises(UserError, match="val and valid both claim to be validation"):
        tasks.load(photos.root)


def test_a_class_that_train_lacks_is_refused_before_reading(photos):
    photos.add("test", "ant")
    photos.add("test", "dog")
    task = tasks.load(photos.root, **SMALL)
    assert [p.endswith("train has no such class.") for p in tasks.check(task).problems] == [True]
    with pytest.raises(UserError, match=r"test/dog: .*train has no such class"):
        _ = task.dataset("train").images


def test_one_class_alone_is_refused(photos):
    with pytest.raises(UserError, match="at least two classes"):
        tasks.load(photos.root, classes=["cat"])


@pytest.mark.parametrize("key", ["classes", "reward_classes"])
def test_names_that_yaml_takes_for_truth_values_are_to_be_quoted(tmp_path, key):
    (tmp_path / "task.yaml").write_text(f"kind: classification\nname: a\n{key}: [no, yes]\n")
    with pytest.raises(UserError, match=f"{key}: YAML reads no .*put `no` in quotes"):
        tasks.load(tmp_path)
