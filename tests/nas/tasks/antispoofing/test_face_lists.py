"""Tasks of list files, and what is said of wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from PIL import Image

import nas.tasks
from nas.errors import UserError

MODALITIES = {"rgb": "rgb", "depth": "grey", "ir": "grey"}
COLUMNS = ["rgb", "depth", "ir", "label", "attack", "subject"]
VALUES = {"rgb": 50, "depth": 100, "ir": 150}


@pytest.fixture
def folder(tmp_path):
    """Four faces in each split; the pixels of a modality have one value, its columns another."""
    for split in ("train", "validation", "test"):
        lines = []
        for number in range(4):
            label = number % 2
            files = [f"{split}/{number}-{name}.png" for name in MODALITIES]
            for file, (name, how) in zip(files, MODALITIES.items(), strict=True):
                pixels = np.full((16, 16, 3), VALUES[name] + number, np.uint8)
                # No two splits have the same image.
                pixels[:, 8:] += len(split)
                (tmp_path / split).mkdir(exist_ok=True)
                image = Image.fromarray(pixels)
                image.convert("L" if how == "grey" else "RGB").save(tmp_path / file)
            attack = "-" if label else ("print", "mask")[number // 2]
            lines.append(" ".join([*files, str(label), attack, f"{split}-{number // 2}"]))
        (tmp_path / f"{split}.txt").write_text("\n".join(lines) + "\n")
    write_task(tmp_path)
    return tmp_path


def write_task(folder, **changes):
    values = {
        "name": "surf",
        "kind": "antispoofing",
        "train": "train.txt",
        "validation": "validation.txt",
        "test": "test.txt",
        "modalities": MODALITIES,
        "columns": COLUMNS,
        "input_size": [16, 16],
        **changes,
    }
    (folder / "task.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_modalities_lie_in_one_tensor_in_their_order(folder):
    task = nas.tasks.load(folder)
    assert task.kind == "antispoofing"
    assert dict(task.inputs) == {"rgb": 3, "depth": 1, "ir": 1}
    data = task.dataset("train")
    assert data.images[1, :, 0, 0].tolist() == [51, 51, 51, 101, 151]
    assert data.targets.tolist() == [0, 1, 0, 1]
    assert data.attacks == ("print", "", "mask", "")
    assert data.subjects == ("train-0", "train-0", "train-1", "train-1")
    assert not task.check().problems


def test_a_plain_list_has_the_modalities_and_the_label(folder):
    write_task(folder, columns=[], modalities={"photo": "rgb"})
    for split in ("train", "validation", "test"):
        lines = [f"{split}/{number}-rgb.png {number % 2}" for number in range(4)]
        (folder / f"{split}.txt").write_text("\n".join(lines))
    data = nas.tasks.load(folder).dataset("test")
    assert data.images.shape == (4, 3, 16, 16)
    assert data.attacks == ("",) * 4


def test_a_missing_modality_is_filled_and_told(folder):
    change(folder / "train.txt", "train/0-ir.png", "-")
    write_task(folder, fill=7)
    task = nas.tasks.load(folder)
    data = task.dataset("train")
    assert data.images[0, :, 0, 0].tolist() == [50, 50, 50, 100, 7]
    assert data.absent == (("ir",), (), (), ())
    report = task.check()
    assert report.splits["train"].images["without ir"] == 1
    assert report.splits["train"].images["attack mask"] == 1
    assert not report.problems


@pytest.mark.parametrize("place", ["/etc/0.png", "../0.png", "train/../../0.png", "C:\\0.png"])
def test_a_file_outside_the_folder_is_refused_unless_the_task_allows_it(folder, place):
    change(folder / "train.txt", "train/0-ir.png", place)
    with pytest.raises(UserError, match=r"train\.txt: line 1 names .* paths_outside: true"):
        nas.tasks.load(folder)
    write_task(folder, paths_outside=True)
    assert nas.tasks.load(folder).sources["train"].labels.tolist() == [0, 1, 0, 1]


def test_a_list_outside_the_folder_is_refused_unless_the_task_allows_it(folder):
    place = folder.with_name(f"outside-{folder.name}.txt")
    (folder / "test.txt").rename(place)
    write_task(folder, test=str(place))
    with pytest.raises(UserError, match=r"task surf: test names .* paths_outside: true"):
        nas.tasks.load(folder)
    write_task(folder, test=str(place), paths_outside=True)
    assert nas.tasks.load(folder).sources["test"].labels.tolist() == [0, 1, 0, 1]


def test_inputs_can_be_taken_away_from_every_face(folder):
    task = nas.tasks.load(folder)
    without = task.without(["depth", "ir"])
    assert without.dataset("test").images[2, :, 0, 0].tolist() == [52, 52, 52, 0, 0]
    assert without.mean == task.mean
    assert without.fingerprint != task.fingerprint
    assert task.dataset("test").images[2, 3, 0, 0] == 102


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["dpth"], "no input 'dpth'; did you mean 'depth'"),
        (["ir", "ir"], "once"),
        (["rgb", "ir", "depth"], "at least one input"),
    ],
)
def test_inputs_that_cannot_be_taken_away_are_refused(folder, names, message):
    with pytest.raises(UserError, match=message):
        nas.tasks.load(folder).without(names)


def test_files_are_read_once(folder):
    task = nas.tasks.load(folder)
    first = task.dataset("train").images
    for file in (folder / "train").iterdir():
        file.unlink()
    assert task.dataset("train").images is first


def problems(folder):
    return nas.tasks.load(folder).check().problems


def test_a_missing_file_is_named(folder):
    (folder / "train/1-depth.png").unlink()
    (problem,) = problems(folder)
    assert problem.endswith(
        "train/1-depth.png: no such image; bring the file, or take it off the list."
    )


def test_a_modality_of_another_size_is_named_with_both_sizes(folder):
    Image.new("L", (8, 12)).save(folder / "test/3-ir.png")
    (problem,) = problems(folder)
    assert "test/3-ir.png: it is 12x8 pixels and" in problem
    assert "test/3-rgb.png is 16x16" in problem
    with pytest.raises(UserError, match="12x8"):
        _ = nas.tasks.load(folder).dataset("test").images


def test_one_class_alone_in_validation_is_named(folder):
    change(folder / "validation.txt", " 1 -", " 0 print")
    assert problems(folder) == [
        "validation: no image of the class 'live'; add some, or take the class away."
    ]


def test_a_modality_that_no_face_has_is_named(folder):
    for number in range(4):
        change(folder / "test.txt", f"test/{number}-depth.png", "-")
    (problem,) = problems(folder)
    assert problem.startswith("test: no face has the modality 'depth'")


def test_a_subject_in_two_splits_is_named(folder):
    change(folder / "test.txt", "test-1", "train-0")
    (problem,) = problems(folder)
    assert problem.startswith("subject 'train-0' is in train and in test")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" 1 - train-0", " 2 - train-0", "train.txt: line 2 has the label '2'"),
        (" 1 - train-0", " 1", "line 2 has 4 fields, and rgb, depth, ir, label"),
        (
            "train/0-rgb.png train/0-depth.png train/0-ir.png",
            "- - -",
            "line 1 has no file of any modality",
        ),
    ],
)
def test_a_wrong_line_is_named(folder, old, new, message):
    change(folder / "train.txt", old, new)
    with pytest.raises(UserError, match=message):
        nas.tasks.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": "tset.txt"}, "tset.txt: no such file"),
        ({"columns": ["rgb", "label"]}, "columns: 'depth' is missing"),
        ({"columns": [*COLUMNS, "age"]}, "'age' is neither a modality nor one of label, attack"),
        ({"columns": [*COLUMNS, "rgb"]}, "'rgb' occurs twice"),
        ({"modalities": {"label": "rgb"}}, "'label' cannot be the name of a modality"),
        ({"channels": "rgb"}, "channels: every modality has its own"),
        ({"fill": 256}, "fill"),
        ({"mean": [0.5], "std": [0.5]}, "images have 5 channels"),
    ],
)
def test_a_wrong_description_is_refused_in_a_sentence(folder, changes, message):
    write_task(folder, **changes)
    with pytest.raises(UserError, match=message):
        nas.tasks.load(folder)


def test_an_empty_list_is_refused(folder):
    (folder / "test.txt").write_text("\n")
    with pytest.raises(UserError, match=r"test\.txt: the list has no line"):
        nas.tasks.load(folder)


def test_a_modality_of_more_bits_is_scaled_by_the_range_of_the_task_and_told(folder):
    Image.fromarray(np.full((16, 16), 1500, np.uint16)).save(folder / "train/0-depth.png")
    write_task(folder, value_range=[1000, 2000])
    task = nas.tasks.load(folder)
    assert task.dataset("train").images[0, 3, 0, 0] == 128
    assert task.check().notes == ["train/0-rgb.png: scaled to 8 bits from 1000 to 2000."]
    before = task.fingerprint
    write_task(folder, value_range=[1000, 3000])
    assert nas.tasks.load(folder).fingerprint != before


def test_a_list_of_another_system_is_read(folder):
    text = (folder / "train.txt").read_text().replace("train/", "train\\")
    (folder / "train.txt").write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    assert nas.tasks.load(folder).dataset("train").images[0, 0, 0, 0] == 50
