from __future__ import annotations

import numpy as np
import pytest

from nas import tasks
from nas.errors import UserError
from nas.tasks.classification.splits import draw, hold_out

# Of each class another number, in no order.
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [4, 30, 100, 266]))


def by_class(rows):
    return np.bincount(LABELS[rows], minlength=4).tolist()


def test_every_image_is_in_one_split():
    rows = hold_out(LABELS, {"validation": 0.1, "test": 0.2}, seed=0)
    together = np.concatenate(list(rows.values()))
    assert sorted(together.tolist()) == list(range(400))


def test_shares_are_those_of_each_class():
    rows = hold_out(LABELS, {"validation": 0.1, "test": 0.2}, seed=0)
    assert by_class(rows["validation"]) == [1, 3, 10, 27]
    assert by_class(rows["test"]) == [1, 6, 20, 53]


def test_train_keeps_the_last_image_of_a_class():
    labels = np.array([0, 1, 1, 2, 2, 2])
    rows = hold_out(labels, {"validation": 0.1, "test": 0.1}, seed=0)
    assert sorted(labels[rows["train"]].tolist()) == [0, 1, 2]
    assert sorted(labels[rows["validation"]].tolist()) == [1, 2]
    assert labels[rows["test"]].tolist() == [2]


def test_the_seed_decides_what_is_held_out():
    first, same, other = (hold_out(LABELS, {"test": 0.2}, seed)["test"] for seed in (0, 0, 1))
    assert first.tolist() == same.tolist() != other.tolist()


def test_what_is_drawn_has_the_classes_in_proportion():
    assert by_class(draw(LABELS, 200, seed=0)) == [2, 15, 50, 133]


def test_every_class_is_drawn_at_least_once():
    assert by_class(draw(LABELS, 8, seed=0)) == [1, 1, 1, 5]
    assert by_class(draw(LABELS, 4, seed=0)) == [1, 1, 1, 1]


@pytest.mark.parametrize("count", [4, 5, 17, 99, 250, 399, 400])
def test_as_many_as_asked_for_are_drawn_once_each(count):
    rows = draw(LABELS, count, seed=3)
    assert len(set(rows.tolist())) == count
    assert (np.diff(rows) > 0).all()


def test_the_seed_decides_what_is_drawn():
    first, same, other = (draw(LABELS, 50, seed).tolist() for seed in (0, 0, 1))
    assert first == same != other


def test_options_give_the_number_of_images(photos):
    task = tasks.load(photos.root, train=24, validation=3, test=6)
    assert [len(task.dataset(split)) for split in task.splits] == [24, 3, 6]
    assert np.bincount(task.dataset("train").targets).tolist() == [4, 8, 12]


def test_numbers_move_no_image_to_another_split(photos):
    whole, few = tasks.load(photos.root), tasks.load(photos.root, train=12, validation=4)
    for split in ("train", "validation"):
        assert set(few.dataset(split).names) < set(whole.dataset(split).names)
    assert few.dataset("test").names == whole.dataset("test").names


def test_splits_share_no_image(photos):
    task = tasks.load(photos.root)
    found = [name for split in task.splits for name in task.dataset(split).names]
    assert len(found) == len(set(found)) == 60


def test_loading_twice_gives_the_same_splits(photos):
    first, again = tasks.load(photos.root, train=20), tasks.load(photos.root, train=20)
    other = tasks.load(photos.root, train=20, seed=1)
    for split in first.splits:
        assert first.dataset(split).names == again.dataset(split).names
        assert first.dataset(split).names != other.dataset(split).names


def test_too_many_images_are_refused(photos):
    with pytest.raises(UserError, match="train: 49 images are asked for, but the split has 48"):
        tasks.load(photos.root, train=49)


def test_too_few_images_for_the_classes_are_refused(photos):
    with pytest.raises(UserError, match="2 images cannot show all 3 classes"):
        tasks.load(photos.root, test=2)


def test_a_share_for_a_split_that_exists_is_refused(photos):
    photos.add("val", "ant")
    with pytest.raises(UserError, match="own split for validation; remove validation_share"):
        tasks.load(photos.root, validation_share=0.2)
