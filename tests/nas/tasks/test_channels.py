"""Tasks on grey and multi-band images, from the files to a network's logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from nas import tasks
from nas.errors import UserError
from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.models.encoder import Encoder, EncoderSettings
from nas.models.segmentation import PlainDecoder, SegmentationNetwork


@pytest.fixture
def grey_folder(tmp_path):
    """Ten grey images of 40x60 pixels; what is bright is a leaf."""
    folder(tmp_path, lambda mask, _: 100 * mask + 50, "png")
    return tmp_path


@pytest.fixture
def band_folder(tmp_path):
    """Ten arrays of five bands; band b has the value 10 b, and 10 b + 100 on a leaf."""
    bands = 10 * np.arange(5, dtype=np.uint8)
    folder(tmp_path, lambda mask, _: 100 * mask[..., None] + bands, "npy")
    return tmp_path


def folder(root, draw, suffix):
    (root / "images").mkdir()
    (root / "masks").mkdir()
    for index in range(10):
        mask = np.zeros((40, 60), np.uint8)
        mask[20:, index:] = 1
        Image.fromarray(mask).save(root / "masks" / f"{index}.png")
        pixels = draw(mask, index)
        path = root / "images" / f"{index}.{suffix}"
        np.save(path, pixels) if suffix == "npy" else Image.fromarray(pixels).save(path)


def load(root, channels, **changes):
    values = {
        "name": "leaves",
        "images": "images",
        "masks": "masks",
        "classes": "[ground, leaf]",
        "input_size": "[32, 64]",
        "channels": channels,
        **changes,
    }
    lines = [f"{key}: {value}" for key, value in values.items()]
    (root / "task.yaml").write_text("\n".join(lines))
    return tasks.load(root)


def segmented(task):
    encoder = Encoder(EncoderSettings(name="lcnet_035", weights="none"), in_channels=task.channels)
    decoder = PlainDecoder(encoder.channels, task.num_classes, 8)
    network = SegmentationNetwork(encoder, decoder).eval()
    return network(task.dataset("validation").images.float())


def test_grey_images_have_one_channel(grey_folder):
    task = load(grey_folder, "grey")
    assert (task.inputs, task.channels, task.input_shape) == ({"grey": 1}, 1, (1, 1, 32, 64))
    images = task.dataset("train").images
    assert images.shape == (8, 1, 32, 64)
    assert {50, 150} <= set(images.unique().tolist())
    assert tasks.check(task).problems == []
    assert segmented(task).shape == (1, 2, 32, 64)


def test_grey_images_are_three_equal_channels_unless_told_otherwise(grey_folder):
    task = load(grey_folder, "rgb")
    images = task.dataset("train").images
    assert images.shape == (8, 3, 32, 64)
    assert torch.equal(images[:, :1], load(grey_folder, "grey").dataset("train").images)
    assert torch.equal(images[:, :1].expand(-1, 3, -1, -1), images)


def test_every_band_of_an_array_is_a_channel(band_folder):
    task = load(band_folder, 5)
    images = task.dataset("train").images
    assert (task.inputs, images.shape) == ({"bands": 5}, (8, 5, 32, 64))
    assert images[0, :, 0, 0].tolist() == [0, 10, 20, 30, 40]
    assert images[0, :, -1, -1].tolist() == [100, 110, 120, 130, 140]
    assert tasks.check(task).splits["train"].sizes == {(40, 60): 8}
    assert segmented(task).shape == (1, 2, 32, 64)


def test_arrays_are_no_images_unless_channels_are_counted(band_folder):
    with pytest.raises(UserError, match=r"masks/0\.png: no image 0 in"):
        _ = load(band_folder, "rgb").dataset("train").images


def test_another_number_of_bands_is_a_problem_of_each_file(band_folder):
    problems = tasks.check(load(band_folder, 4)).problems
    assert len([problem for problem in problems if "says 4 channels" in problem]) == 10


def test_other_channels_are_normalised_as_measured_on_train(band_folder):
    task = load(band_folder, 5)
    pixels = task.dataset("train").images.double() / 255
    assert task.mean == pytest.approx(pixels.mean(dim=(0, 2, 3)).tolist(), abs=1e-6)
    assert task.std == pytest.approx(pixels.std(dim=(0, 2, 3), correction=0).tolist(), abs=1e-6)


def test_a_given_normalisation_is_taken(grey_folder):
    task = load(grey_folder, "grey", mean="[0.5]", std="[0.25]")
    assert (task.mean, task.std) == ((0.5,), (0.25,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": "gray"}, "channels: 'gray' is neither rgb, grey nor a number of channels"),
        ({"channels": "0"}, "channels: 0 is neither"),
        ({"mean": "[0.5]"}, "mean and std go together"),
        ({"mean": "[0.5]", "std": "[0.5]"}, "mean: 1 values, but images have 3 channels"),
    ],
)
def test_channels_that_do_not_fit_are_refused(grey_folder, changes, message):
    with pytest.raises(UserError, match=message):
        load(grey_folder, **{"channels": "rgb", **changes})


def test_the_fingerprint_tells_how_the_files_are_read(grey_folder):
    read = [load(grey_folder, channels).fingerprint for channels in ("rgb", "grey", 1)]
    assert len(set(read)) == 3


@pytest.mark.parametrize("preset", ["light", "full"])
def test_bands_are_augmented_without_mixing_them(band_folder, preset):
    task = load(band_folder, 5)
    data = task.dataset("train")
    generator = torch.Generator().manual_seed(0)
    images, masks = task.transform(preset)(data.images, data.targets, generator)
    assert images.shape == data.images.shape and masks.shape == data.targets.shape
    assert not torch.equal(images, data.images)
    # A band keeps its mean: contrast and brightness are those of the band alone.
    alone, _ = task.transform(preset)(
        data.images[:, 2:3], data.targets, torch.Generator().manual_seed(0)
    )
    assert torch.equal(images[:, 2:3], alone)


@pytest.fixture
def grey_photos(tmp_path):
    """Grey images of two classes: dark and bright."""
    for level, name in ((40, "dark"), (200, "light")):
        (tmp_path / "train" / name).mkdir(parents=True)
        for index in range(10):
            pixels = np.full((20, 30), level + index, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train" / name / f"{index}.png")
    return tmp_path


def test_grey_images_by_class(grey_photos):
    task = tasks.load(grey_photos, channels="grey", input_size=[16, 16])
    data = task.dataset("train")
    assert (task.inputs, data.images.shape) == ({"grey": 1}, (16, 1, 16, 16))
    assert torch.equal(data.images[:, 0, 0, 0] > 100, data.targets == 1)
    assert tasks.check(task).problems == []
    network = create_classifier(
        ClassifierSettings(name="resnet18"), task.num_classes, task.input_size, task.channels
    )
    assert network(data.images.float()).shape == (16, 2)


def test_arrays_by_class(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for index in range(4):
            pixels = np.full((10, 12, 5), index + 10 * (name == "b"), np.uint8)
            np.save(tmp_path / "train" / name / f"{index}.npy", pixels)
    task = tasks.load(tmp_path, channels=5, input_size=[8, 8])
    images = task.dataset("train").images
    assert images.shape == (4, 5, 8, 8)
    network = create_classifier(ClassifierSettings(name="resnet8x4"), 2, (8, 8), task.channels)
    assert network(images.float()).shape == (4, 2)


@pytest.mark.parametrize("policy", ["rand_augment", "aug_mix"])
def test_policies_refuse_channels_that_they_cannot_change(tmp_path, policy):
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for index in range(4):
            np.save(tmp_path / "train" / name / f"{index}.npy", np.zeros((8, 8, 5), np.uint8))
    task = tasks.load(tmp_path, channels=5, input_size=[8, 8])
    assert isinstance(task, tasks.ClassificationTask)
    with pytest.raises(UserError, match=f"policy '{policy}' .* these have 5; choose policy"):
        task.augmentation(tasks.AugmentationSettings(policy=policy))
    light = task.augmentation(tasks.AugmentationSettings.preset("light"))
    images = task.dataset("train").images
    assert light(images, torch.Generator().manual_seed(0)).shape == images.shape


def test_digits_have_one_channel_if_asked():
    rgb, grey = (
        tasks.load("digits", size=8, train=40, validation=20, test=20, channels=channels)
        for channels in ("rgb", "grey")
    )
    assert (rgb.channels, grey.channels) == (3, 1)
    assert torch.equal(rgb.dataset("train").images[:, :1], grey.dataset("train").images)
    assert grey.mean == rgb.mean[:1]
    assert len({rgb.fingerprint, grey.fingerprint}) == 2
