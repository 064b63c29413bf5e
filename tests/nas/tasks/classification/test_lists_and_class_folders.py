from __future__ import annotations

import numpy as np
import pytest

from nas import tasks
from nas.errors import UserError


@pytest.fixture
def listed(photos):
    """The photos in one folder, without their suffixes in the list."""
    lines = ["image,label"]
    for path in sorted(photos.root.rglob("*.png")):
        target = photos.root / "all" / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        lines.append(f"{path.stem},{path.parent.name}")
    (photos.root / "labels.csv").write_text("\n".join(lines) + "\n")
    photos.describe("layout: list\nimages: all\nlists: {train: labels.csv}\n")
    return photos


def _counts(task) -> dict[str, list[int]]:
    return {
        split: np.bincount(task.dataset(split).targets.numpy(), minlength=3).tolist()
        for split in task.splits
    }


def test_classes_may_lie_beside_each_other_without_splits(photos) -> None:
    (photos.root / "train").rename(photos.root.parent / "flat")
    root = photos.root.parent / "flat"
    (root / "task.yaml").write_text("name: flat\nkind: classification\nlayout: class_folders\n")
    task = tasks.load(root)
    assert task.classes == ("ant", "bee", "cat")
    assert _counts(task) == {"train": [8, 16, 24], "validation": [1, 2, 3], "test": [1, 2, 3]}
    assert task.check().problems == []


def test_a_list_tells_the_class_of_each_image(listed) -> None:
    task = tasks.load(listed.root)
    assert task.classes == ("ant", "bee", "cat")
    assert _counts(task) == {"train": [8, 16, 24], "validation": [1, 2, 3], "test": [1, 2, 3]}
    images, labels = task.dataset("train").images, task.dataset("train").targets
    brightest = images.flatten(2).float().mean(2).argmax(dim=1)
    assert brightest.tolist() == labels.tolist()


def test_columns_may_be_divided_by_blanks_and_splits_have_lists(listed) -> None:
    lines = (listed.root / "labels.csv").read_text().splitlines()[1:]
    for name, part in (("train", lines[::2]), ("val", lines[1::2])):
        text = "\n".join(line.replace(",", ".png ") for line in part)
        (listed.root / f"{name}.txt").write_text(text)
    task = tasks.load(listed.root, lists={"train": "train.txt", "validation": "val.txt"})
    assert _counts(task)["validation"] == [5, 10, 15]


@pytest.mark.parametrize("key", ["images", "lists.train"])
def test_what_lies_elsewhere_is_refused_unless_the_task_allows_it(listed, key) -> None:
    place = listed.root.with_name(f"outside-{listed.root.name}")
    (listed.root / ("all" if key == "images" else "labels.csv")).rename(place)
    changes = {"images": place} if key == "images" else {"lists": {"train": place}}
    with pytest.raises(UserError, match=rf": {key} names .* paths_outside: true"):
        tasks.load(listed.root, **changes)
    found = tasks.load(listed.root, **changes, paths_outside=True)
    assert _counts(found)["train"] == [8, 16, 24]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("900,ant", "line 62: no image 900 in"),
        ("001,ant", "line 62: 001 again, which is ant before"),
    ],
)
def test_a_wrong_line_is_named(listed, line, problem) -> None:
    path = listed.root / "labels.csv"
    path.write_text(path.read_text() + line + "\n")
    (found,) = tasks.load(listed.root).check().problems
    assert problem in found


def test_a_line_of_three_columns_is_refused(listed) -> None:
    path = listed.root / "labels.csv"
    path.write_text(path.read_text() + "002,ant,1\n")
    with pytest.raises(UserError, match="line 62 has 3 columns; a line is an image and its class"):
        tasks.load(listed.root)


def test_an_image_that_no_list_names_is_told_and_a_strange_class_is_a_problem(listed) -> None:
    path = listed.root / "labels.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    report = tasks.load(listed.root).check()
    assert report.problems == []
    assert any("passed over 1 image that no list names" in note for note in report.notes)
    (problem,) = tasks.load(listed.root, classes=["ant", "bee"]).check().problems
    assert "the class 'cat' is none of train" in problem


def test_lists_belong_to_their_layout(listed) -> None:
    with pytest.raises(UserError, match="lists and images belong to the layout 'list'"):
        tasks.load(listed.root, layout="class_folders")
