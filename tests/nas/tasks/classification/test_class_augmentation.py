from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from nas import tasks
from nas.errors import UserError
from nas.tasks.classification.augment import Augment
from nas.tasks.classification.augmentation import PRESETS, AugmentationSettings

POLICIES = ("rand_augment", "auto_augment", "trivial_augment_wide", "aug_mix")
CHANGES = {
    "pad": {"crop": "pad"},
    "resized": {"crop": "resized"},
    "flip": {"flip": True},
    **{policy: {"policy": policy} for policy in POLICIES},
}


@pytest.fixture
def images():
    """Sixteen times the same image, of 24x32 pixels that differ."""
    generator = torch.Generator().manual_seed(7)
    image = torch.randint(1, 256, (3, 24, 32), dtype=torch.uint8, generator=generator)
    return image.repeat(16, 1, 1, 1)


def augmented(images, seed=0, **settings):
    augment = Augment(AugmentationSettings(**settings), tuple(images.shape[-2:]))
    return augment(images, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_shape_and_type_stay_and_the_input_too(images, change):
    before = images.clone()
    result = augmented(images, **change)
    assert (result.shape, result.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before) and not torch.equal(result, images)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_are_drawn_for_each_image(images, change):
    result = augmented(images, **change)
    assert len(torch.unique(result.flatten(1), dim=0)) > 1


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_generator_decides_and_global_state_is_left(images, change):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = augmented(images, **change)
    torch.rand(3)
    assert torch.equal(augmented(images, **change), first)
    assert not torch.equal(augmented(images, seed=1, **change), first)
    torch.manual_seed(5)
    augmented(images, **change)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_generator_gives_new_changes_for_each_batch(images):
    augment = Augment(AugmentationSettings(crop="pad"), (24, 32))
    generator = torch.Generator().manual_seed(0)
    assert not torch.equal(augment(images, generator), augment(images, generator))


def test_a_padded_crop_is_a_shifted_image(images):
    padded = torch.nn.functional.pad(images[0], [2] * 4)
    windows = {
        padded[:, top : top + 24, left : left + 32].numpy().tobytes()
        for top in range(5)
        for left in range(5)
    }
    found = {image.numpy().tobytes() for image in augmented(images, crop="pad", padding=2)}
    assert found <= windows and len(found) > 5


def test_a_padded_crop_reaches_every_position():
    image = torch.arange(1, 82, dtype=torch.uint8).view(1, 1, 9, 9).expand(200, 3, -1, -1)
    corners = augmented(image, crop="pad", padding=1)[:, 0, 4, 4].tolist()
    assert set(corners) == {41 + 9 * row + column for row in (-1, 0, 1) for column in (-1, 0, 1)}


def test_padding_is_an_eighth_unless_given(images):
    assert torch.equal(augmented(images, crop="pad"), augmented(images, crop="pad", padding=3))


def test_a_mirrored_image_is_one_of_two(images):
    result = augmented(images, flip=True)
    mirrored = [torch.equal(image, images[0].flip(-1)) for image in result]
    same = [torch.equal(image, images[0]) for image in result]
    assert sum(mirrored) + sum(same) == 16 and 2 < sum(mirrored) < 14


def ramp(count):
    """Images whose first channel is the row and whose second is the column."""
    steps = torch.arange(200, dtype=torch.uint8)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([rows, columns, torch.zeros_like(rows)]).expand(count, -1, -1, -1)


def test_a_resized_crop_has_its_share_of_the_area():
    result = augmented(ramp(100), crop="resized", scale=(0.2, 0.5)).float()
    height = (result[:, 0, -1, 100] - result[:, 0, 0, 100] + 1) / 200
    width = (result[:, 1, 100, -1] - result[:, 1, 100, 0] + 1) / 200
    area, ratio = height * width, width / height
    assert 0.18 < area.min() < 0.25 and 0.45 < area.max() < 0.52
    assert 0.72 < ratio.min() < 0.8 and 1.25 < ratio.max() < 1.37


def test_a_resized_crop_of_everything_keeps_an_image_nearly_as_it_is():
    result = augmented(ramp(20), crop="resized", scale=(1.0, 1.0)).float()
    # Only the ratio of the sides changes, and no side can be longer than the image.
    spans = result[:, :2].amax(dim=(2, 3)) - result[:, :2].amin(dim=(2, 3))
    assert (spans.max(dim=1).values >= 198).all() and (spans.min(dim=1).values > 170).all()


def test_nothing_is_the_same_tensor(images):
    assert augmented(images) is images


@pytest.mark.parametrize("preset", PRESETS)
def test_a_task_makes_the_augmentation_of_a_preset(photos, preset):
    task = tasks.load(photos.root, input_size=[24, 32])
    images = task.dataset("train").images[:8]
    augment = task.augmentation(AugmentationSettings.preset(preset))
    result = augment(images, torch.Generator().manual_seed(0))
    assert torch.equal(result, images) == (preset == "none")


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(UserError, match="no augmentation 'ful'; did you mean 'full'"):
        AugmentationSettings.preset("ful")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"padding": 4}, "padding belongs to crop 'pad'"),
        ({"crop": "resized", "padding": 4}, "padding belongs to crop 'pad'"),
        ({"crop": "pad", "scale": (0.5, 1)}, "scale belongs to crop 'resized'"),
        ({"crop": "resized", "scale": (0.9, 0.5)}, "the smaller first"),
        ({"crop": "resized", "scale": (0.0, 0.5)}, "above 0"),
        ({"crop": "pad", "padding": 0}, "greater than or equal to 1"),
        ({"policy": "randaugment"}, "'rand_augment'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        AugmentationSettings(**settings)


def test_padding_as_large_as_the_images_is_refused(photos):
    task = tasks.load(photos.root, input_size=[24, 32])
    with pytest.raises(UserError, match="padding 24 would leave nothing of images of 24x32"):
        task.augmentation(AugmentationSettings(crop="pad", padding=24))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_grey_images_are_changed_too(images, change):
    settings = AugmentationSettings(**change)
    augment = Augment(settings, tuple(images.shape[-2:]), channels=1)
    result = augment(images[:, :1], torch.Generator().manual_seed(0))
    assert result.shape == (16, 1, 24, 32) and not torch.equal(result, images[:, :1])
