from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nas import tasks
from nas.errors import UserError
from nas.tasks.faces import task as faces_task
from nas.tasks.faces.anatomy import (
    BACKGROUND,
    CLASSES,
    LEFT_BROW,
    LEFT_EYE,
    RIGHT_BROW,
    RIGHT_EYE,
)
from nas.tasks.faces.drawing import draw_face, draw_faces


@pytest.fixture(scope="module")
def drawn():
    return draw_faces((7,), 60, 64)


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    return {"size": 32, "train": 5, "validation": 2, "test": 2}


def centre(mask, label):
    rows, columns = np.nonzero(mask == label)
    return columns.mean(), rows.mean()


def test_a_seed_always_gives_the_same_face():
    first, second = draw_face((3, 1), 64), draw_face((3, 1), 64)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_the_first_faces_do_not_depend_on_the_count(drawn):
    few = draw_faces((7,), 3, 64)
    assert np.array_equal(few[0], drawn[0][:3])
    assert np.array_equal(few[1], drawn[1][:3])


def test_every_class_occurs_and_small_ones_are_small(drawn):
    shares = np.bincount(drawn[1].ravel(), minlength=len(CLASSES)) / drawn[1].size
    assert len(shares) == 11
    assert (shares > 0.001).all()
    assert (shares[[LEFT_EYE, RIGHT_EYE, LEFT_BROW, RIGHT_BROW]] < 0.02).all()


def test_the_persons_left_eye_is_to_the_viewers_right_of_the_right_one(drawn):
    both = [mask for mask in drawn[1] if {LEFT_EYE, RIGHT_EYE} <= set(np.unique(mask))]
    assert len(both) > 30
    assert all(centre(mask, LEFT_EYE)[0] > centre(mask, RIGHT_EYE)[0] for mask in both)


def test_something_covers_a_part_of_some_faces_but_not_of_most(drawn):
    hidden = np.mean([not np.isin(LEFT_EYE, mask) for mask in drawn[1]])
    assert 0.01 < hidden < 0.4


def test_faces_vary_in_size_and_light(drawn):
    face_share = (drawn[1] != BACKGROUND).mean(axis=(1, 2))
    brightness = drawn[0].mean(axis=(1, 2, 3))
    assert face_share.max() > 2.5 * face_share.min()
    assert brightness.max() > 2 * brightness.min()


def test_other_sizes_show_the_same_face():
    small, large = draw_face((3, 1), 64)[1], draw_face((3, 1), 128)[1]
    assert (small == large[::2, ::2]).mean() > 0.95


def test_the_task_describes_itself_as_helen_does(small):
    task = tasks.load("faces", **small)
    assert task.classes[:2] == ("background", "skin")
    assert (task.num_classes, task.input_size, task.kind) == (11, (32, 32), "segmentation")
    assert task.reward_classes == ("left_eye", "right_eye", "left_brow", "right_brow")
    assert {(task.classes[a], task.classes[b]) for a, b in task.pairs} == {
        ("left_brow", "right_brow"),
        ("left_eye", "right_eye"),
    }
    assert set(task.groups) == {"eyes", "brows", "overall"}


def test_default_counts():
    task = tasks.load("faces")
    assert [len(task.dataset(split)) for split in task.splits] == [600, 100, 100]


def test_splits_show_different_faces(small):
    task = tasks.load("faces", **small)
    train, validation = task.dataset("train"), task.dataset("validation")
    assert train.images.shape == (5, 3, 32, 32)
    assert not torch.equal(train.images[:2], validation.images)


def test_a_cached_face_is_read_not_drawn(small, monkeypatch):
    first = tasks.load("faces", **small).dataset("test").images
    monkeypatch.setattr("nas.tasks.faces.task.draw_faces", None)
    again = tasks.load("faces", **small).dataset("test").images
    assert torch.equal(first, again)


def test_a_damaged_cache_is_drawn_again(small):
    task = tasks.load("faces", **small)
    first = task.dataset("test").images
    path = task.sources["test"].cache_file
    path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(tasks.load("faces", **small).dataset("test").images, first)


def test_no_partial_file_stays_in_the_cache(small, tmp_path):
    _ = tasks.load("faces", **small).dataset("test").images
    assert [path.suffix for path in (tmp_path / "faces").iterdir()] == [".npz"]


def test_the_fingerprint_follows_the_options(small):
    keys = {
        tasks.load("faces", **{**small, **change}).fingerprint
        for change in ({}, {"seed": 1}, {"size": 48}, {"train": 6})
    }
    assert len(keys) == 4
    assert tasks.load("faces", **small).fingerprint in keys


def test_the_fingerprint_follows_the_drawing(tmp_path, monkeypatch):
    def digest() -> str:
        faces_task._drawing.cache_clear()
        return faces_task.FacesSource((0,), 1, 64).digest

    package = shutil.copytree(Path(faces_task.__file__).parent, tmp_path / "faces")
    monkeypatch.setattr(faces_task, "__file__", str(package / "task.py"))
    first = digest()
    with (package / "cache.py").open("a") as file:
        file.write("# how faces are kept")
    assert digest() == first
    with (package / "scene.py").open("a") as file:
        file.write("# what faces look like")
    assert digest() != first
    faces_task._drawing.cache_clear()


def test_drawn_faces_pass_the_check(small):
    report = tasks.check("faces", **{**small, "validation": 8})
    assert report.problems == []
    assert report.splits["train"].sizes == {(32, 32): 5}


def test_a_misspelt_option_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'size'"):
        tasks.load("faces", siz=32)
