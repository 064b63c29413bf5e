from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from nas.errors import UserError
from nas.tasks.antispoofing.augment import FaceAugment
from nas.tasks.antispoofing.augmentation import FaceAugmentationSettings

INPUTS = {"rgb": 3, "depth": 1, "ir": 1}


def augmented(images, seed=0, **settings):
    augment = FaceAugment(FaceAugmentationSettings(**settings), images.shape[2:], INPUTS)
    return augment(images, torch.Generator().manual_seed(seed))


@pytest.fixture
def images():
    """Faces whose channels are all the same."""
    generator = torch.Generator().manual_seed(1)
    one = torch.randint(60, 180, (16, 1, 12, 12), generator=generator, dtype=torch.uint8)
    return one.repeat(1, 5, 1, 1)


@pytest.mark.parametrize(
    "settings",
    [{"crop": "pad"}, {"crop": "resized"}, {"flip": True}, {"rotation": 30.0}],
    ids=lambda settings: next(iter(settings)),
)
def test_what_moves_pixels_moves_all_modalities_together(images, settings):
    changed = augmented(images, **settings)
    assert not torch.equal(changed, images)
    assert torch.equal(changed, changed[:, :1].expand_as(changed))


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_colours_change_for_each_modality_by_itself(images, name):
    changed = augmented(images, **{name: 0.3})
    assert torch.equal(changed[:, :3], changed[:, :1].expand(-1, 3, -1, -1))
    assert not torch.equal(changed[:, 0], changed[:, 3])
    assert not torch.equal(changed[:, 3], changed[:, 4])


def test_brightness_changes_means_and_contrast_does_not(images):
    means = images.float().mean(dim=(2, 3))
    brighter = augmented(images, brightness=0.3).float().mean(dim=(2, 3)) / means
    assert brighter.min() < 0.85
    assert brighter.max() > 1.15
    assert (brighter - 1).abs().max() < 0.31
    same = augmented(images, contrast=0.3).float().mean(dim=(2, 3)) / means
    assert (same - 1).abs().max() < 0.02


def test_the_generator_decides_every_change(images):
    settings = {"crop": "pad", "flip": True, "rotation": 10.0, "brightness": 0.2}
    first, again, other = (augmented(images, seed, **settings) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_presets_are_known_by_name():
    assert FaceAugmentationSettings.preset("none") == FaceAugmentationSettings()
    assert FaceAugmentationSettings.preset("full").rotation == 30
    with pytest.raises(UserError, match="no augmentation 'ful'; did you mean 'full'"):
        FaceAugmentationSettings.preset("ful")


def test_policies_of_photographs_are_refused():
    with pytest.raises(ValidationError, match="use brightness and contrast"):
        FaceAugmentationSettings(policy="rand_augment")
