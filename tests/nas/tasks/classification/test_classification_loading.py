from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from nas import tasks
from nas.errors import UserError
from nas.tasks.classification import memory
from nas.tasks.classification.file_source import fit

SMALL = {"input_size": [24, 32]}


def test_a_yaml_file_says_its_kind(photos):
    photos.describe("input_size: [24, 32]\nreward_classes: [bee]\n")
    task = tasks.load(photos.root)
    assert (task.name, task.input_size, task.reward_classes) == ("photos", (24, 32), ("bee",))


def test_a_yaml_file_and_a_data_folder_apart(photos, tmp_path_factory):
    apart = tmp_path_factory.mktemp("apart") / "photos.yaml"
    shutil.move(photos.describe("layout: image_folder\n"), apart)
    assert len(tasks.load(apart, data=photos.root).dataset("train")) == 48


def test_root_is_relative_to_the_yaml_file(photos):
    path = photos.root.parent / "photos.yaml"
    shutil.move(photos.describe("root: photos\n"), path)
    assert len(tasks.load(path).dataset("train")) == 48


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kind: clasification", "no kind of task 'clasification'; did you mean 'classification'"),
        ("layout: imagenet", "layout: "),
        ("layout: cub", r"images\.txt: no such file"),
        ("layout: idx", "no file train-images-idx3-ubyte"),
        ("root: nowhere", "nowhere: no such folder"),
        ("clases: [a, b]", "unknown key 'clases'; did you mean 'classes'"),
        ("classes: [ant, ant]", "'ant' occurs twice"),
        ("reward_classes: [bea]", "unknown class 'bea'; did you mean 'bee'"),
        ("input_size: [4, 4]", "at least 8 pixels"),
        ("centre_crop: 1.5", "centre_crop: "),
        ("mean: [0.5, 0.5, 0.5]", "mean and std go together"),
        ("mean: [127, 127, 127]", "counted from 0 to 1"),
        ("std: [0.5, 0.5, 0]", "must be positive"),
        ("train: 0", "train: "),
        ("validation_share: 1.0", "validation_share: "),
        ("{validation_share: 0.6, test_share: 0.5}", "hold out all of train"),
        ("seed: -1", "seed: "),
    ],
)
def test_a_wrong_value_is_refused(photos, line, message):
    text = photos.describe().read_text()
    lines = line.strip("{}").split(", ") if line.startswith("{") else [line]
    kept = "" if line.startswith("kind") else text
    (photos.root / "task.yaml").write_text("\n".join([kept or "name: photos", *lines]))
    with pytest.raises(UserError, match=message):
        tasks.load(photos.root)


def test_a_folder_of_no_known_layout_is_refused(photos):
    photos.describe()
    shutil.rmtree(photos.root / "train")
    with pytest.raises(UserError, match="no known layout of images by class; known: cub, idx"):
        tasks.load(photos.root)


def test_data_for_a_folder_without_file_is_refused(photos, tmp_path):
    with pytest.raises(UserError, match=r"no task\.yaml in this folder that could use --data"):
        tasks.load(photos.root, data=tmp_path)


def test_who_needs_segmentation_refuses_classes_of_images(photos):
    with pytest.raises(UserError, match="a segmentation task is needed here") as error:
        tasks.load_segmentation(photos.root)
    assert str(error.value).startswith("task photos: ")


def test_who_needs_segmentation_gets_it(task_folder):
    assert tasks.load_segmentation(task_folder.root).kind == "segmentation"


def test_segmentation_may_say_its_kind(task_folder):
    task_folder.describe(kind="segmentation")
    assert tasks.load(task_folder.root).kind == "segmentation"


def test_the_fingerprint_changes_with_the_content(photos):
    before = tasks.load(photos.root, **SMALL).fingerprint
    assert tasks.load(photos.root, **SMALL).fingerprint == before
    path = photos.root / "train/cat/060.png"
    path.write_bytes((photos.root / "train/cat/059.png").read_bytes())
    assert tasks.load(photos.root, **SMALL).fingerprint != before


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"train": 20}, {"classes": ["bee", "ant", "cat"]}, {"centre_crop": 1.0}],
)
def test_the_fingerprint_changes_with_the_meaning(photos, change):
    before = tasks.load(photos.root, **SMALL).fingerprint
    assert tasks.load(photos.root, **SMALL, **change).fingerprint != before


def test_reward_classes_do_not_change_the_fingerprint(photos):
    before = tasks.load(photos.root, **SMALL).fingerprint
    assert tasks.load(photos.root, **SMALL, reward_classes=["ant"]).fingerprint == before


def test_an_unknown_split_names_the_nearest(photos):
    with pytest.raises(UserError, match="no split 'valid'; did you mean 'validation'"):
        tasks.load(photos.root).dataset("valid")


def test_more_than_half_of_the_memory_is_refused(photos, monkeypatch):
    needed = 60 * 3 * 224 * 224
    monkeypatch.setattr(memory, "total_memory", lambda: 2 * needed)
    assert len(tasks.load(photos.root).dataset("train")) == 48
    monkeypatch.setattr(memory, "total_memory", lambda: 2 * needed - 1)
    with pytest.raises(UserError, match=r"60 images of 224x224 pixels take .* smaller input_size"):
        tasks.load(photos.root)
    assert tasks.load(photos.root, train=30).input_size == (224, 224)


def test_the_container_limits_the_memory(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CONTAINER_LIMIT", limit)
    without = memory.total_memory()
    limit.write_text("max\n")
    assert memory.total_memory() == without
    limit.write_text("1000000\n")
    assert memory.total_memory() == 1_000_000


def test_images_of_the_input_size_stay_as_they_are(photos):
    data = tasks.load(photos.root, **SMALL).dataset("train")
    with Image.open(photos.root / data.names[5]) as image:
        stored = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert torch.equal(data.images[5], stored)


def gradient(height, width):
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("shape", [(160, 240), (240, 160), (200, 200)])
def test_the_centre_is_cut_out_of_the_resized_image(shape):
    # The short side becomes 64 / 0.8 = 80 pixels, each as wide as `step` pixels of the image.
    height, width = shape
    pixels = fit(gradient(*shape), (64, 64), 0.8).astype(float)
    step = min(shape) / 80
    expected = [height / 2 - 0.5 + step * 31.5 * sign for sign in (-1, 1)]
    assert pixels[[0, -1], 32, 0].tolist() == pytest.approx(expected, abs=1)
    expected = [width / 2 - 0.5 + step * 31.5 * sign for sign in (-1, 1)]
    assert pixels[32, [0, -1], 1].tolist() == pytest.approx(expected, abs=1)


def test_a_whole_short_side_can_be_kept():
    pixels = fit(gradient(100, 200), (50, 50), 1.0)
    assert pixels[0, 0].tolist() == pytest.approx([0.5, 50.5, 0], abs=1)
    assert pixels[-1, -1].tolist() == pytest.approx([98.5, 148.5, 0], abs=1)


def test_digits_are_a_task():
    task = tasks.load("digits")
    assert [len(task.dataset(split)) for split in task.splits] == [1439, 179, 179]
    assert task.dataset("test").images.shape == (179, 3, 32, 32)
    assert task.dataset("train").images.amax() == 255


def test_digits_have_the_options_of_the_built_in_faces():
    task = tasks.load("digits", size=8, seed=3, train=100, validation=20, test=30)
    assert task.input_size == (8, 8)
    assert [len(task.dataset(split)) for split in task.splits] == [100, 20, 30]


def test_digits_refuse_unknown_options():
    with pytest.raises(UserError, match="task digits: unknown key 'sise'; did you mean 'size'"):
        tasks.load("digits", sise=8)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UserError, match=r'needs scikit-learn; .* pip install "nas-toolkit\[digits'):
        tasks.load("digits")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800"], ids=["long", "zero", "half"])
def test_a_folder_of_a_name_that_none_can_have_is_not_there(tmp_path, name):
    (tmp_path / "task.yaml").write_text(
        json.dumps({"name": "leaves", "kind": "classification", "root": name})
    )
    with pytest.raises(UserError, match="no such folder; correct root"):
        tasks.load(tmp_path)
