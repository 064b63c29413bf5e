"""The task files under docs/tasks on the data that they describe."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas import tasks

ROOT = Path(__file__).parents[4]
DATA = ROOT.parent / "shared" / "data"


def real(folder):
    path = DATA / folder
    if not path.is_dir():
        pytest.skip(f"needs the data set in ../shared/data/{folder}")
    return path


def test_camvid_is_clean_and_has_the_published_shares():
    report = tasks.check(ROOT / "docs/tasks/camvid.yaml", data=real("camvid"))
    counts = {name: split.count for name, split in report.splits.items()}
    train = report.splits["train"]
    assert report.problems == []
    assert counts == {"train": 367, "validation": 101, "test": 233}
    assert train.sizes == {(360, 480): 367}
    assert 100 * train.shares["road"] == pytest.approx(31.66, abs=0.005)
    assert 100 * train.ignored == pytest.approx(3.95, abs=0.005)


def test_face_synthetics_is_clean_and_split_by_name():
    path = ROOT / "docs/tasks/face_synthetics.yaml"
    task = tasks.load(path, data=real("face_synthetics_100"))
    assert tasks.check(task).problems == []
    assert [len(task.dataset(split)) for split in task.splits] == [70, 15, 15]
    assert [(task.classes[a], task.classes[b]) for a, b in task.pairs] == [
        ("right_eye", "left_eye"),
        ("right_brow", "left_brow"),
        ("right_ear", "left_ear"),
    ]


def test_face_synthetics_eyes_survive_the_resize():
    path = ROOT / "docs/tasks/face_synthetics.yaml"
    task = tasks.load(path, data=real("face_synthetics_100"))
    masks = task.dataset("validation").targets
    assert masks.shape == (15, 128, 128)
    for name in task.reward_classes:
        assert (masks == task.classes.index(name)).sum() > 50
