from __future__ import annotations

import pytest
import torch

from nas.tasks.segmentation.augmentation import Augmentation
from nas.tasks.segmentation.transforms import Mirror, ScaleAndTurn

LEFT, RIGHT, IGNORED = 1, 2, 200


@pytest.fixture
def batch():
    """Left class to the left, right class to the right, each with its grey level."""
    masks = torch.zeros(16, 32, 48, dtype=torch.uint8)
    masks[:, 8:24, 4:20], masks[:, 8:24, 28:44] = LEFT, RIGHT
    return masks[:, None].repeat(1, 3, 1, 1) * 100, masks


def augment(batch, *transforms, seed=0):
    return Augmentation(transforms)(*batch, torch.Generator().manual_seed(seed))


def test_mirroring_swaps_the_paired_classes(batch):
    images, masks = augment(batch, Mirror([(LEFT, RIGHT)], probability=1.0))
    assert torch.equal(images, batch[0].flip(-1))
    assert torch.equal(masks, batch[1])


def test_mirroring_without_pairs_moves_the_classes(batch):
    _, masks = augment(batch, Mirror([], probability=1.0))
    assert torch.equal(masks, batch[1].flip(-1))


def test_mirroring_is_drawn_for_each_image(batch):
    images, _ = augment(batch, Mirror([], probability=0.5))
    unchanged = [torch.equal(new, old) for new, old in zip(images, batch[0], strict=True)]
    assert 2 < sum(unchanged) < 14


def test_ignored_value_survives_the_mirror(batch):
    batch[1][:, 0] = IGNORED
    _, masks = augment(batch, Mirror([(LEFT, RIGHT)], probability=1.0))
    assert (masks[:, 0] == IGNORED).all()


def test_the_scale_of_the_image_changes_nothing(batch):
    images, masks = augment(batch, ScaleAndTurn(1.0, 1.0, 0.0, IGNORED))
    assert torch.equal(images, batch[0])
    assert torch.equal(masks, batch[1])


def test_image_and_mask_stay_aligned_under_scale_and_turn(batch):
    shapes = 200 * (batch[1][:, None] > 0).to(torch.uint8).repeat(1, 3, 1, 1)
    scale = ScaleAndTurn(1.5, 1.2, 15.0, IGNORED)
    images, masks = augment((shapes, batch[1]), scale)
    seen = masks != IGNORED
    differences = (images[:, 0].int() - 200 * (masks > 0).int()).abs()[seen]
    # The nearest of four pixels has at least a quarter of the weight.
    assert differences.max() <= 150
    assert not torch.equal(masks, batch[1])


def test_a_turn_keeps_shapes_in_images_that_are_not_square():
    masks = torch.zeros(1, 64, 128, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(128) - 63.5, indexing="ij")
    masks[0, (x**2 + y**2) < 20**2] = 1
    images = masks[:, None].repeat(1, 3, 1, 1)
    turn = ScaleAndTurn(1.0, 1.0, 80.0, IGNORED)
    _, turned = augment((images, masks), turn, seed=3)
    disc = turned[0] == 1
    assert abs(int(disc.sum()) - int((masks == 1).sum())) < 20
    assert disc.any(0).sum() == pytest.approx(40, abs=1)
    assert disc.any(1).sum() == pytest.approx(40, abs=1)


def test_a_turn_ignores_what_was_outside_the_image(batch):
    _, masks = augment(batch, ScaleAndTurn(1.0, 1.0, 45.0, IGNORED))
    assert masks.unique().tolist() == [0, LEFT, RIGHT, IGNORED]


def test_images_are_enlarged_as_often_as_made_smaller():
    masks = torch.zeros(400, 40, 40, dtype=torch.uint8)
    masks[:, 10:30, 10:30] = 1
    images = torch.zeros(400, 3, 40, 40, dtype=torch.uint8)
    _, scaled = augment((images, masks), ScaleAndTurn(1.4, 1.0, 0.0, IGNORED))
    sides = (scaled == 1).any(1).sum(1) / 20
    whole = sides[((scaled == 1).any(1)[:, 0] == 0) & ((scaled == 1).any(1)[:, -1] == 0)]
    assert 0.68 <= whole.min() < 0.78 and 1.3 < whole.max() <= 1.45
    assert abs((whole > 1.025).sum() - (whole < 0.975).sum()) < 60


def test_what_a_larger_rectangle_shows_beside_the_image_is_ignored(batch):
    _, masks = augment(batch, ScaleAndTurn(1.4, 1.0, 0.0, IGNORED))
    smaller = (masks == IGNORED).any(dim=(1, 2))
    assert 2 < smaller.sum() < 14
    shares = (masks == IGNORED).float().mean(dim=(1, 2))[smaller]
    assert shares.max() < 1 - 1 / 1.4**2 + 0.05
