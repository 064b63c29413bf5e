"""What the formats of masks refuse, and what they say of what is left to a rule."""

from __future__ import annotations

import json

import numpy as np
import pytest
import written_formats as written
from PIL import Image

from nas import tasks
from nas.errors import UserError


def _problems(root, **options):
    return tasks.load(root, **options).check().problems


def _notes(root, **options):
    return " ".join(tasks.load(root, **options).check().notes)


def _change(path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _train_mask(root, **options) -> np.ndarray:
    """The first mask of train at its own size."""
    return tasks.load(root, input_size=[40, 60], **options).dataset("train").targets[0].numpy()


def test_a_colour_that_is_not_in_the_table_is_named(tmp_path) -> None:
    root = written.colours(tmp_path)
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[0, :3], pixels[1, 0] = (18, 52, 86), (255, 0, 0)
    written.save(root / "masks/04.png", pixels)
    (problem,) = _problems(root)
    assert "04.png: the colour #123456 (3 pixels) and 1 more colours are not" in problem
    with pytest.raises(UserError, match="#123456"):
        _ = tasks.load(root, splits={"train": ":"}).dataset("train").targets


def test_a_jpeg_in_disguise_has_no_exact_colours(tmp_path) -> None:
    root = written.colours(tmp_path)
    Image.new("RGB", (60, 40)).save(root / "masks/04.png", "JPEG")
    assert "04.png: in truth a JPEG" in _problems(root)[0]


@pytest.mark.parametrize(
    ("colours", "message"),
    [
        ({"leaf": "#00ff00", "fruit": "#ff0000"}, "'background' has none"),
        ({**written.COLOURS, "leaf": "green"}, "'leaf' has 'green'; write a colour as"),
        ({**written.COLOURS, "leaf": [0, 0, 0]}, "share a colour"),
        ({**written.COLOURS, "sky": "#0000ff"}, "'sky' is no class"),
    ],
)
def test_a_table_of_colours_that_does_not_fit_is_refused(tmp_path, colours, message) -> None:
    root = written.colours(tmp_path)
    with pytest.raises(UserError, match=message):
        tasks.load(root, colours=colours)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "coco"}, "give both or none"),
        ({"format": "index"}, "colours belongs to another format"),
        ({"ignore_index": 3}, "ignore_index belongs to the format index"),
        ({"ignored_labels": ["leaf"]}, "'leaf' is a class"),
        ({"format": "voc"}, "format"),
    ],
)
def test_keys_of_another_format_are_refused(tmp_path, options, message) -> None:
    root = written.colours(tmp_path)
    with pytest.raises(UserError, match=message):
        tasks.load(root, **options)


def test_a_class_file_of_no_class_is_named_and_may_be_ignored(tmp_path) -> None:
    root = written.class_folders(tmp_path)
    for name in ("00", "01"):
        region = np.zeros((40, 60), np.uint8)
        region[:, :5] = 255
        written.save(root / f"masks/dirt/{name}.png", region)
    (problem,) = _problems(root)
    assert "masks/dirt/00.png: neither its folder" in problem and "1 more" in problem
    found = _train_mask(root, ignored_labels=["dirt"], splits={"train": ":"})
    # Ignored labels lie below the classes.
    assert (found[0, :6] == [255] * 5 + [0]).all() and (found[20:, :5] == 1).all()


def test_overlapping_class_files_follow_the_order_of_the_classes(tmp_path) -> None:
    root = written.class_folders(tmp_path)
    written.save(root / "masks/leaf/00.png", np.full((40, 60), 255, np.uint8))
    options = {"splits": {"train": "0:8", "validation": "8:9", "test": "9:10"}}
    assert "00: files of different classes overlap; the later class" in _notes(root, **options)
    assert (_train_mask(root, **options)[written.FRUIT] == 2).all()
    classes = ["background", "fruit", "leaf"]
    assert (_train_mask(root, classes=classes, **options) == 2).all()


def test_a_class_file_has_two_values(tmp_path) -> None:
    root = written.class_folders(tmp_path)
    soft = np.zeros((40, 60), np.uint8)
    soft[0, :4] = [10, 90, 180, 255]
    written.save(root / "masks/leaf/04.png", soft)
    assert "leaf/04.png: the mask of one class has two values" in _problems(root)[0]


def test_class_files_of_other_proportions_than_the_image_are_refused(tmp_path) -> None:
    root = written.celeb(tmp_path)
    for path in root.glob("CelebAMask-HQ-mask-anno/*/00004_*.png"):
        written.save(path, np.zeros((20, 20), np.uint8))
    (problem,) = _problems(root)
    assert "the mask has 20x20 pixels, its image 40x60" in problem


def test_the_longest_class_at_the_end_of_a_name_counts(tmp_path) -> None:
    places = {"images": "i", "masks": "m", "classes": ["lip", "upper_lip"]}
    root = written.describe(tmp_path, format="class_files", **places)
    for name in "abc":
        written.save_image(root / f"i/{name}.png")
        written.save(root / f"m/{name}_upper_lip.png", np.full((40, 60), 255, np.uint8))
    assert tasks.load(root).dataset("train").targets.unique().tolist() == [1]


def test_a_category_that_is_no_class_is_named_and_may_be_ignored(tmp_path) -> None:
    root = written.coco(tmp_path)
    classes = ["background", "leaf"]
    (problem,) = _problems(root, classes=classes)
    assert "the category 'fruit' (10 annotations) is no class" in problem
    found = _train_mask(root, classes=classes, ignored_labels=["fruit"])
    assert (found[written.FRUIT] == 255).all() and (found[written.LEAF] == 1).all()


def test_the_smaller_of_two_objects_lies_on_top(tmp_path) -> None:
    root = written.coco(tmp_path)

    def enlarge(content) -> None:
        for annotation in content["annotations"]:
            if annotation["category_id"] == 7:
                annotation["segmentation"] = [[0, 0, 60, 0, 60, 40, 0, 40]]

    _change(root / "instances.json", enlarge)
    found = _train_mask(root)
    assert (found[written.FRUIT] == 2).all() and (found[:, :30] == 1).all()
    assert "00 and 9 more: objects of different classes overlap; the smaller" in _notes(root)


def test_a_crowd_is_ignored_where_no_object_lies(tmp_path) -> None:
    root = written.coco(tmp_path)

    def add(content) -> None:
        for image in content["images"]:
            shape = {"size": [40, 60], "counts": [0, 40 * 60]}
            crowd = {"id": 1000, "image_id": image["id"], "category_id": 7, "iscrowd": 1}
            content["annotations"].append({**crowd, "segmentation": shape})

    _change(root / "instances.json", add)
    expected = written.mask()
    expected[expected == 0] = 255
    assert np.array_equal(_train_mask(root), expected)
    assert "pixels of its crowds are ignored" in _notes(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category_id": 99}, "annotation 4 has the category_id 99, which no category has"),
        ({"image_id": 99}, "annotation 4 has the image_id 99, which no image has"),
        ({"segmentation": []}, "annotation 4 has no segmentation, and a box alone"),
        ({"segmentation": [[1, 2, 3, 4]]}, "annotation 4: a polygon is a list of x and y"),
        ({"segmentation": {"size": [4, 4], "counts": [16]}}, r"annotation 4: its RLE is of the"),
        ({"segmentation": {"size": [40, 60], "counts": [7]}}, "its RLE covers 7 pixels"),
    ],
)
def test_a_wrong_annotation_is_named(tmp_path, change, message) -> None:
    root = written.coco(tmp_path)
    _change(root / "instances.json", lambda content: content["annotations"][4].update(change))
    (problem,) = _problems(root)
    assert message in problem


def test_an_annotated_image_that_is_missing_is_a_problem_and_one_not_listed_is_told(
    tmp_path,
) -> None:
    root = written.coco(tmp_path)
    (root / "images/04.png").unlink()
    written.save_image(root / "images/new.png")
    assert f"instances.json: 04.png: no image 04 in {root / 'images'}." in _problems(root)[0]
    assert "passed over 1 image that the annotations do not list" in _notes(root)


def test_an_image_of_no_annotation_is_background_and_told(tmp_path) -> None:
    root = written.coco(tmp_path)

    def strip(content) -> None:
        content["annotations"] = content["annotations"][2:]

    _change(root / "instances.json", strip)
    assert "1 image has no annotation, for example 00.png" in _notes(root)
    task = tasks.load(root, splits={"train": "0:8", "validation": "8:9", "test": "9:10"})
    assert task.dataset("train").targets[0].unique().tolist() == [0]


def test_without_a_background_the_rest_is_ignored_and_told(tmp_path) -> None:
    root = written.coco(tmp_path)
    options = {"classes": ["leaf", "fruit"]}
    assert "pixels that no annotation covers are ignored" in _notes(root, **options)
    assert _train_mask(root, **options)[0, 0] == 255


def test_a_file_of_something_else_is_no_coco_file(tmp_path) -> None:
    root = written.coco(tmp_path)
    (root / "instances.json").write_text('{"images": []}')
    with pytest.raises(UserError, match="no COCO file with annotations: it has no list 'annot"):
        tasks.load(root)


def test_annotations_of_stored_pixels_are_turned_with_the_image(tmp_path) -> None:
    root = written.coco(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (root / "images").iterdir():
        with Image.open(path) as image:
            image.save(path, exif=exif)
    task = tasks.load(root, input_size=[60, 40])
    assert np.array_equal(task.dataset("train").targets[0].numpy(), np.rot90(written.mask(), -1))
    assert task.check().problems == []


def test_annotations_of_the_upright_image_stay(tmp_path) -> None:
    root = written.coco(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (root / "images").iterdir():
        with Image.open(path) as image:
            # Stored lying, so that it is upright when it is turned.
            image.rotate(90, expand=True).save(path, exif=exif)
    assert np.array_equal(_train_mask(root), written.mask())


def test_images_without_annotation_are_passed_over_and_annotations_without_image_are_not(
    tmp_path,
) -> None:
    root = written.labelme(tmp_path)
    (root / "03.json").unlink()
    (root / "04.png").unlink()
    (problem,) = _problems(root)
    assert problem == f"{root}/04.json: no image 04 in {root}."
    assert "passed over 1 image without annotation, for example 03.png" in _notes(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "stone"}, "shape 0: the label 'stone' is no class"),
        ({"shape_type": "line"}, "shape 0: a line has no area"),
        ({"points": [[1, 2]]}, "shape 0: 1 points make no shape of the kind 'polygon'"),
        ({"shape_type": "mask", "mask": "?"}, "shape 0: its mask is not readable"),
    ],
)
def test_a_wrong_shape_is_named(tmp_path, change, message) -> None:
    root = written.labelme(tmp_path)
    _change(root / "04.json", lambda content: content["shapes"][0].update(change))
    (problem,) = _problems(root)
    assert f"{root}/04.json: {message}" in problem


def test_the_later_shape_lies_on_top(tmp_path) -> None:
    root = written.labelme(tmp_path)
    for path in root.glob("*.json"):
        _change(
            path,
            lambda content: content["shapes"].append(
                {"label": "leaf", "shape_type": "rectangle", "points": [[59, 39], [40, 10]]}
            ),
        )
    expected = written.mask()
    expected[10:40, 40:60] = 1
    assert np.array_equal(_train_mask(root), expected)
    assert "shapes of different classes overlap; the later one lies on top" in _notes(root)


def test_a_circle_is_given_by_its_centre_and_a_point_of_its_border(tmp_path) -> None:
    root = written.labelme(tmp_path)
    circle = {"label": "leaf", "shape_type": "circle", "points": [[20, 20], [20, 25]]}
    for path in root.glob("*.json"):
        _change(path, lambda content: content.update(shapes=[circle]))
    leaf = _train_mask(root) == 1
    assert leaf[15:26, 20].all() and leaf[20, 15:26].all()
    assert not leaf[14].any() and not leaf[16, 16]


def test_numbers_that_cityscapes_does_not_have_are_named(tmp_path) -> None:
    root = written.cityscapes(tmp_path)
    path = next((root / "gtFine/train").rglob("*_labelIds.png"))
    written.save(path, np.full((40, 60), 77, np.uint8))
    (problem,) = _problems(root)
    assert f"{path}: 77 is not the number of a label of Cityscapes" in problem


def test_labels_of_cityscapes_that_are_no_class_are_ignored(tmp_path) -> None:
    root = written.cityscapes(tmp_path)
    found = _train_mask(root, classes=["sky", "road"])
    assert (found[written.FRUIT] == 255).all()
    with pytest.raises(UserError, match="'lane' is no label of Cityscapes"):
        tasks.load(root, classes=["sky", "lane"])
