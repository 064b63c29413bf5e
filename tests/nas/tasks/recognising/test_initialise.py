"""A folder in any of the formats is recognised without a word about it."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from PIL import Image
from written_formats import CLASSES, COLOURS, FORMATS, mask, save, save_image

import nas.tasks
from nas.errors import UserError


def _pixels(task) -> dict[str, int]:
    masks = task.dataset("train").targets.numpy()
    counts = np.bincount(masks.ravel(), minlength=256)
    return {name: int(counts[value]) for value, name in enumerate(task.classes) if counts[value]}


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("index", ("background", "class_1", "class_2")),
        ("two_values", ("background", "object", "object")),
        ("voc", ("background", "class_1", "class_2")),
        ("colours", ("background", "colour_0ac814", "colour_c80a14")),
        ("class_folders", CLASSES),
        ("coco", CLASSES),
        ("labelme", CLASSES),
        ("cityscapes", ("sky", "road", "car")),
    ],
)
def test_a_folder_is_described_so_that_its_pixels_have_their_classes(name, names, tmp_path) -> None:
    described = nas.tasks.load(FORMATS[name](tmp_path), input_size=[40, 60])
    expected: dict[str, int] = {}
    for one, count in _pixels(described).items():
        one = names[described.classes.index(one)]
        expected[one] = expected.get(one, 0) + count
    (tmp_path / "task.yaml").unlink()
    nas.tasks.initialise(tmp_path)
    task = nas.tasks.load(tmp_path, input_size=[40, 60])
    assert _pixels(task) == expected
    # The images have but three of the classes of Cityscapes.
    assert name == "cityscapes" or task.check().problems == []


def test_celeb_takes_the_class_files_that_there_are(tmp_path) -> None:
    FORMATS["celeb"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    for path in (tmp_path / "CelebAMask-HQ-mask-anno").rglob("*.png"):
        name = path.name.replace("leaf", "l_eye").replace("fruit", "r_eye")
        path.rename(path.with_name(name))
    nas.tasks.initialise(tmp_path)
    values = yaml.safe_load((tmp_path / "task.yaml").read_text())
    assert values["classes"] == ["background", "l_eye", "r_eye"]
    assert values["pairs"] == [["l_eye", "r_eye"]]


def test_masks_may_have_the_class_at_the_end_of_their_names(tmp_path) -> None:
    FORMATS["class_folders"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    for path in list((tmp_path / "masks").rglob("*.png")):
        path.rename(tmp_path / "masks" / f"{path.stem}_{path.parent.name}.png")
    for name in ("leaf", "fruit"):
        (tmp_path / "masks" / name).rmdir()
    nas.tasks.initialise(tmp_path)
    task = nas.tasks.load(tmp_path)
    assert task.classes == ("background", "fruit", "leaf")
    assert task.check().problems == []


def test_folders_of_splits_are_paired_each(tmp_path) -> None:
    for split, count in (("train", 4), ("val", 2), ("test", 1)):
        for number in range(count):
            save_image(tmp_path / split / f"{split}{number}.png")
            save(tmp_path / f"{split}annot" / f"{split}{number}.png", mask())
    nas.tasks.initialise(tmp_path)
    task = nas.tasks.load(tmp_path)
    counts = {split: len(task.sources[split].names) for split in task.splits}
    assert counts == {"train": 4, "validation": 2, "test": 1}


def test_images_that_are_numbered_anew_in_each_split_have_the_masks_of_their_own(tmp_path) -> None:
    for split, count in (("train", 4), ("validation", 3), ("test", 3)):
        for number in range(count):
            save_image(tmp_path / split / "images" / f"{number}.png")
            if number or split != "validation":
                save(tmp_path / split / "masks" / f"{number}.png", mask())
    nas.tasks.initialise(tmp_path)
    places = yaml.safe_load((tmp_path / "task.yaml").read_text())["splits"]
    assert places["validation"] == {"images": "validation/images", "masks": "validation/masks"}
    assert places["test"] == {"images": "test/images", "masks": "test/masks"}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("label_colors.txt", "{0} {1} {2}\t\t{name}"),
        ("class_dict.csv", "{name},{0},{1},{2}"),
        ("labelmap.txt", "{name}:{0},{1},{2}::"),
    ],
)
def test_a_table_of_colours_names_the_classes(name, line, tmp_path) -> None:
    FORMATS["colours"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    head = {"class_dict.csv": "name,r,g,b\n", "labelmap.txt": "# label:color_rgb:parts:actions\n"}
    lines = [line.format(*colour, name=one) for one, colour in COLOURS.items()]
    (tmp_path / name).write_text(head.get(name, "") + "\n".join(lines) + "\n")
    nas.tasks.initialise(tmp_path)
    assert nas.tasks.load(tmp_path).classes == CLASSES


def test_the_classes_of_voc_are_meant_where_the_last_one_occurs(tmp_path) -> None:
    FORMATS["voc"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    path = tmp_path / "SegmentationClass/00.png"
    with Image.open(path) as image:
        values = np.array(image)
    values[5] = 20
    save(path, values)
    nas.tasks.initialise(tmp_path)
    assert nas.tasks.load(tmp_path).classes[-2:] == ("train", "tvmonitor")


def test_a_list_of_classes_names_the_values(tmp_path) -> None:
    FORMATS["index"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    (tmp_path / "classes.txt").write_text("soil\nleaf\nfruit\n")
    nas.tasks.initialise(tmp_path)
    assert nas.tasks.load(tmp_path).classes == ("soil", "leaf", "fruit")


def _noise(path, seed: int, size: int = 80) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("parts", [("train", "val"), ("",)])
def test_a_folder_for_each_class_makes_a_classifier(parts, tmp_path) -> None:
    for place, part in enumerate(parts):
        for label, name in enumerate(("ant", "bee")):
            for number in range(10):
                # The same names in each folder, which are no masks of each other.
                path = tmp_path / part / name / f"{number}.png"
                _noise(path, 100 * place + 10 * label + number)
    nas.tasks.initialise(tmp_path)
    task = nas.tasks.load(tmp_path)
    assert (task.kind, task.classes) == ("classification", ("ant", "bee"))
    assert task.input_size == (224, 224)


def test_small_images_keep_their_size(tmp_path) -> None:
    for name in ("ant", "bee"):
        for number in range(10):
            _noise(tmp_path / name / f"{number}.png", number, 28)
    nas.tasks.initialise(tmp_path)
    assert nas.tasks.load(tmp_path).input_size == (28, 28)


def _with_fruits(root, fruitful) -> None:
    """Ten images, of which those that are named have a fruit."""
    for number in range(10):
        save_image(root / f"images/{number}.png")
        save(root / f"masks/{number}.png", mask(1, 2 if number in fruitful else 0))


def test_a_rare_class_occurs_in_every_split(tmp_path) -> None:
    _with_fruits(tmp_path, {0, 1, 2})
    sentences = nas.tasks.initialise(tmp_path).sentences
    assert any("as many classes as possible" in sentence for sentence in sentences)
    task = nas.tasks.load(tmp_path)
    report = task.check()
    assert report.problems == []
    assert all(split.shares["class_2"] > 0 for split in report.splits.values())
    assert task.reward_classes == task.classes


def test_a_class_that_a_split_cannot_have_does_not_count(tmp_path) -> None:
    _with_fruits(tmp_path, {4})
    sentences = nas.tasks.initialise(tmp_path).sentences
    assert any("The class class_2 does not occur in train" in one for one in sentences)
    task = nas.tasks.load(tmp_path)
    assert task.reward_classes == ("background", "class_1")
    assert task.check().problems == []


def test_a_list_makes_a_classifier(tmp_path) -> None:
    lines = ["file,label"]
    for number in range(20):
        _noise(tmp_path / "photos" / f"{number}.png", number)
        lines.append(f"{number}.png,{'ant' if number % 2 else 'bee'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    nas.tasks.initialise(tmp_path)
    task = nas.tasks.load(tmp_path)
    assert task.classes == ("ant", "bee")
    assert [len(task.sources[split].names) for split in task.splits] == [16, 2, 2]


def test_it_tells_what_it_took_and_what_it_passed_over(nas, tmp_path) -> None:
    FORMATS["index"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    for name in ("a.txt", "b.txt", "c.heic"):
        (tmp_path / name).write_text("")
    (tmp_path / "Thumbs.db").write_text("")
    outcome = nas("task", "init", tmp_path)
    assert outcome.code == 0, outcome.err
    text = outcome.out
    assert f"{tmp_path}: taken for images and index PNG masks of their names" in text
    assert "A segmentation task of 3 classes; images: train 8, validation 1, test 1." in text
    assert "Passed over: 2 .txt, 1 .heic." in text
    assert "rename background, class_1 and so on" in text
    assert f"Next: nas task check {tmp_path}" in text
    assert nas("task", "check", tmp_path).code == 0


def test_left_and_right_are_pairs(tmp_path) -> None:
    FORMATS["index"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    (tmp_path / "classes.txt").write_text("skin\nleft_eye\nright_eye\n")
    told = nas.tasks.initialise(tmp_path).sentences
    assert nas.tasks.load(tmp_path).pairs == ((1, 2),)
    assert any("left_eye and right_eye, and so on, change places" in one for one in told)


def test_the_next_command_means_the_folder_where_a_task_has_its_name(
    nas, tmp_path, monkeypatch
) -> None:
    (tmp_path / "faces").mkdir()
    FORMATS["index"](tmp_path / "faces")
    (tmp_path / "faces/task.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    assert "Next: nas task check ./faces, then" in nas("task", "init", "faces").out


def test_a_task_yaml_is_never_overwritten(nas, tmp_path) -> None:
    before = (FORMATS["index"](tmp_path) / "task.yaml").read_bytes()
    outcome = nas("task", "init", tmp_path)
    assert outcome.code == 2
    assert "is there already and stays as it is" in outcome.err
    assert (tmp_path / "task.yaml").read_bytes() == before


def test_what_is_nothing_known_is_told_and_nothing_is_written(tmp_path) -> None:
    with pytest.raises(UserError, match="there is no image in it"):
        nas.tasks.initialise(tmp_path)
    for number in range(3):
        _noise(tmp_path / f"{number}.png", number)
    with pytest.raises(UserError, match="3 images, and nothing in a known layout"):
        nas.tasks.initialise(tmp_path)
    assert not (tmp_path / "task.yaml").exists()


def test_what_cannot_be_loaded_is_not_written(tmp_path) -> None:
    FORMATS["labelme"](tmp_path)
    (tmp_path / "task.yaml").unlink()
    for path in tmp_path.glob("*.json"):
        path.write_text(
            path.read_text().replace('"leaf"', '"fruit"').replace("fruit", "background")
        )
    with pytest.raises(UserError, match="at least two classes"):
        nas.tasks.initialise(tmp_path)
    assert not (tmp_path / "task.yaml").exists()
