"""Labels mean what their user means, or a sentence says what they were taken for."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from PIL import Image

from nas import tasks
from nas.errors import UserError

SPLITS = {"train": "0:6", "validation": "6:8", "test": "8:10"}


def _binary(folder, **changes):
    for path in (folder.root / "masks").iterdir():
        values = np.asarray(Image.open(path))
        Image.fromarray(np.where(values > 0, 255, 0).astype(np.uint8)).save(path)
    folder.describe(splits=SPLITS, **changes)


def test_masks_of_0_and_255_are_classes_where_they_are_mapped(task_folder):
    _binary(task_folder, classes={0: "ground", 255: "leaf"})
    report = tasks.check(task_folder.root)
    assert (report.problems, report.notes) == ([], [])
    assert report.splits["train"].shares == {"ground": 0.5, "leaf": 0.5}
    masks = tasks.load(task_folder.root).dataset("train").targets
    assert masks.unique().tolist() == [0, 1]


def test_a_value_that_is_ignored_unsaid_is_told(task_folder):
    _binary(task_folder, classes=["ground", "leaf"], reward_classes=["ground"])
    notes = tasks.check(task_folder.root).notes
    assert any("50.00% of the pixels are 255, which is ignored" in note for note in notes)
    _binary(task_folder, classes=["ground", "leaf"], reward_classes=["ground"], ignore_index=255)
    notes = tasks.check(task_folder.root).notes
    assert not any("which is ignored" in note for note in notes)


def test_a_class_that_train_lacks_is_a_problem_where_it_earns_reward(task_folder):
    for path in sorted((task_folder.root / "masks").iterdir())[:6]:
        values = np.array(Image.open(path))
        Image.fromarray(np.where(values == 2, 0, values).astype(np.uint8)).save(path)
    task_folder.describe(splits=SPLITS)
    (problem,) = tasks.check(task_folder.root).problems
    assert problem.startswith("train: no mask has a pixel of the reward class 'fruit'")
    task_folder.describe(splits=SPLITS, reward_classes=["leaf"])
    report = tasks.check(task_folder.root)
    assert report.problems == []
    assert report.notes == [
        "train: no mask has a pixel of the class 'fruit', so that no network can learn it."
    ]


def test_palettes_that_differ_are_told_with_two_files(task_folder):
    for name, colour in (("00", (9, 9, 9)), ("01", (200, 0, 0))):
        path = task_folder.root / "masks" / f"{name}.png"
        values = np.asarray(Image.open(path))
        mask = Image.new("P", values.shape[::-1])
        mask.putdata(values.ravel().tolist())
        mask.putpalette([0, 0, 0, *colour, 1, 1, 1])
        mask.save(path)
    task_folder.describe(splits=SPLITS)
    (note,) = tasks.check(task_folder.root).notes
    assert "the value 1 is #090909 in 00 and #c80000 in 01" in note


def test_an_image_in_two_splits_under_two_names_is_a_problem(task_folder):
    (task_folder.root / "images" / "07.jpg").write_bytes(
        (task_folder.root / "images" / "00.jpg").read_bytes()
    )
    task_folder.describe(splits=SPLITS)
    (problem,) = tasks.check(task_folder.root).problems
    assert problem == "07: in validation, and the same image is in train as 00."


def _listed(folder, text: str | bytes, **changes):
    content = text if isinstance(text, bytes) else text.encode()
    (folder.root / "train.txt").write_bytes(content)
    splits = {"train": "train.txt", "validation": "6:8", "test": "8:10"}
    folder.describe(splits=splits, **changes)
    return tasks.load(folder.root)


@pytest.mark.parametrize("separator", [" ", "\t", ", ", ";"])
def test_a_list_may_pair_images_with_masks_of_other_names(task_folder, separator):
    task = _listed(task_folder, f"images/00.jpg{separator}masks/03.png\n")
    files = task.sources["train"].files
    assert [(file.image.name, file.mask.path.name) for file in files] == [("00.jpg", "03.png")]
    assert not task.sources["train"].problems


def test_a_second_column_that_is_no_mask_is_refused(task_folder):
    task = _listed(task_folder, "00\t1\n01\t2\n")
    problem = task.sources["train"].problems[0]
    assert "line 1, '00\\t1', has 2 columns, and the second is no mask" in problem


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff00\n01\n".encode(),
        "00\r\n01\r\n".encode("utf-16"),
        b"00\r01\r",
        b"images\\00.jpg\r\nimages\\01.jpg\r\n",
        b"# chosen by hand\n00.JPG\n\n  01.jpg  \n",
    ],
    ids=["mark", "utf-16", "cr", "backslashes", "comment"],
)
def test_lists_of_other_systems_are_read(task_folder, content):
    task = _listed(task_folder, content)
    assert not task.sources["train"].problems
    assert task.dataset("train").names == ("00", "01")


OUTSIDE = [
    *("/somewhere/else/00.jpg", "C:\\data\\00.png", "../00.jpg", "images/../../00.jpg"),
    "00 ../01.png",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_list_that_leads_elsewhere_is_refused_unless_the_task_allows_it(task_folder, name):
    content = f"01\n{name}\n".encode()
    with pytest.raises(UserError, match=r"train\.txt: line 2 names .* paths_outside: true"):
        _listed(task_folder, content)
    task = _listed(task_folder, content, paths_outside=True)
    assert task.dataset("train").names == ("01", "00")


def _moved(task_folder, key):
    """Where something of a task lies once it is outside the folder of the data."""
    place = task_folder.root.with_name(f"outside-{task_folder.root.name}")
    (task_folder.root / key).rename(place)
    return place


@pytest.mark.parametrize("key", ["images", "masks"])
@pytest.mark.parametrize("form", [str, lambda place: f"../{place.name}"], ids=["absolute", "up"])
def test_folders_elsewhere_are_refused_unless_the_task_allows_them(task_folder, key, form):
    place = form(_moved(task_folder, key))
    task_folder.describe(**{key: place})
    with pytest.raises(UserError, match=rf"task leaves: {key} names .* paths_outside: true"):
        tasks.load(task_folder.root)
    task_folder.describe(**{key: place}, paths_outside=True)
    assert len(tasks.load(task_folder.root).dataset("train").names) == 8


def test_lists_elsewhere_are_refused_unless_the_task_allows_them(task_folder):
    (task_folder.root / "train.txt").write_text("00\n01\n")
    place = str(_moved(task_folder, "train.txt"))
    splits = {"train": place, "validation": "6:8", "test": "8:10"}
    task_folder.describe(splits=splits)
    with pytest.raises(UserError, match=r"task leaves: a split names .* paths_outside: true"):
        tasks.load(task_folder.root)
    task_folder.describe(splits=splits, paths_outside=True)
    assert tasks.load(task_folder.root).dataset("train").names == ("00", "01")


def test_absolute_paths_into_the_folders_of_the_task_are_read(task_folder):
    content = f"{task_folder.root / 'images' / '00.jpg'}\n{task_folder.root}/masks/../images/01.jpg"
    assert _listed(task_folder, content.encode()).dataset("train").names == ("00", "01")


def test_a_file_elsewhere_does_not_stand_for_one_of_the_same_name(task_folder):
    task_folder.add("00", images="others")
    other = task_folder.root / "others" / "00.jpg"
    with pytest.raises(UserError, match="which is neither in"):
        _listed(task_folder, f"{other}\n".encode())


def test_a_list_that_is_no_unicode_is_refused_with_its_line(task_folder):
    with pytest.raises(UserError, match=r"train\.txt: line 2 is not text in UTF-8; save the file"):
        _listed(task_folder, b"00\nf\xfcr\n")


def test_names_that_macos_took_apart_are_one_name(task_folder):
    name = "é0"
    task_folder.add(unicodedata.normalize("NFD", name), masks="spare")
    (task_folder.root / "spare" / f"{unicodedata.normalize('NFD', name)}.png").rename(
        task_folder.root / "masks" / f"{name}.png"
    )
    assert _listed(task_folder, name).dataset("train").names == (name,)


QUOTED = {False: "put `no` in quotes", True: "put `yes` in quotes"}


@pytest.mark.parametrize("name", [False, True, 7, None, 1.5])
@pytest.mark.parametrize("key", ["classes", "reward_classes"])
def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted(task_folder, key, name):
    task_folder.describe(**{key: ["ground", name, "fruit"]})
    with pytest.raises(UserError, match=f"{key}: YAML reads .*{QUOTED.get(name, 'in quotes')}"):
        tasks.load(task_folder.root)


def test_masks_that_cannot_be_read_are_the_only_problem(task_folder):
    for path in (task_folder.root / "masks").iterdir():
        Image.open(path).convert("RGB").save(path)
    problems = tasks.check(task_folder.root).problems
    assert len(problems) == 10
    assert all("this file has mode RGB" in problem for problem in problems)


def test_images_in_folders_within_are_told(task_folder):
    inner = task_folder.root / "images" / "aachen"
    inner.mkdir()
    for path in (task_folder.root / "images").glob("*.jpg"):
        path.rename(inner / path.name)
    report = tasks.check(task_folder.root)
    assert "images: its files lie in folders within it" in report.problems[0]
    assert f"{task_folder.root / 'images'}: passed over 1 folder." in report.notes
