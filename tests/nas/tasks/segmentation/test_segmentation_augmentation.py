from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.tasks.segmentation.augmentation import Augmentation

LEFT, RIGHT, IGNORED = 1, 2, 200


@pytest.fixture
def batch():
    """Left class to the left, right class to the right, each with its grey level."""
    masks = torch.zeros(16, 32, 48, dtype=torch.uint8)
    masks[:, 8:24, 4:20], masks[:, 8:24, 28:44] = LEFT, RIGHT
    return masks[:, None].repeat(1, 3, 1, 1) * 100, masks


@pytest.mark.parametrize("preset", ["light", "full"])
def test_presets_change_images_but_not_their_form(batch, preset):
    augmentation = Augmentation.create(preset, [(LEFT, RIGHT)], IGNORED)
    images, masks = augmentation(*batch, torch.Generator().manual_seed(0))
    assert (images.shape, images.dtype) == (batch[0].shape, torch.uint8)
    assert (masks.shape, masks.dtype) == (batch[1].shape, torch.uint8)
    assert not torch.equal(images, batch[0])
    assert set(masks.unique().tolist()) <= {0, LEFT, RIGHT, IGNORED}


def test_none_returns_the_batch(batch):
    images, masks = Augmentation.create("none", [], IGNORED)(*batch)
    assert images is batch[0]
    assert masks is batch[1]


def test_colour_changes_leave_the_mask_alone(batch):
    full = Augmentation.create("full", [], IGNORED)
    colour = Augmentation(full._transforms[-1:])
    images, masks = colour(*batch, torch.Generator().manual_seed(0))
    assert torch.equal(masks, batch[1])
    assert not torch.equal(images, batch[0])


def test_the_generator_decides_and_the_global_state_stays(batch):
    augmentation = Augmentation.create("full", [], IGNORED)
    before = torch.random.get_rng_state()
    first = augmentation(*batch, torch.Generator().manual_seed(5))[0]
    torch.random.set_rng_state(torch.manual_seed(99).get_state())
    second = augmentation(*batch, torch.Generator().manual_seed(5))[0]
    other = augmentation(*batch, torch.Generator().manual_seed(6))[0]
    torch.random.set_rng_state(before)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    augmentation(*batch, torch.Generator().manual_seed(5))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_successive_batches_differ(batch):
    augmentation = Augmentation.create("full", [], IGNORED)
    generator = torch.Generator().manual_seed(0)
    first, second = (augmentation(*batch, generator)[0] for _ in range(2))
    assert not torch.equal(first, second)


def test_a_single_image_is_a_batch_of_one(batch):
    augmentation = Augmentation.create("full", [], IGNORED)
    single = augmentation(batch[0][0], batch[1][0], torch.Generator().manual_seed(0))
    whole = augmentation(batch[0][:1], batch[1][:1], torch.Generator().manual_seed(0))
    assert torch.equal(single[0], whole[0][0])
    assert torch.equal(single[1], whole[1][0])


def test_a_misspelt_preset_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'light'"):
        Augmentation.create("ligth", [], IGNORED)
