from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.tasks.classification.mixing import Mixing

LABELS = torch.arange(8)


def batch(height=12, width=10):
    """Eight images; each has the number of its class everywhere."""
    return LABELS.float().view(8, 1, 1, 1).expand(8, 3, height, width).clone()


def mixed(kind, alpha=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Mixing(kind, alpha, 8)(batch(), LABELS, generator)


@pytest.mark.parametrize("kind", ["none", "mixup", "cutmix"])
@pytest.mark.parametrize("seed", range(5))
def test_targets_sum_to_one(kind, seed):
    images, targets = mixed(kind, seed=seed)
    assert images.shape == (8, 3, 12, 10) and targets.shape == (8, 8)
    assert targets.dtype == torch.float32 and (targets >= 0).all()
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(8))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("seed", range(10))
def test_labels_have_the_share_of_their_images(kind, seed):
    images, targets = mixed(kind, seed=seed)
    # The mean of an image is then the mean of the labels in it.
    torch.testing.assert_close(images.mean(dim=(1, 2, 3)), targets @ LABELS.float())


@pytest.mark.parametrize("seed", range(10))
def test_cutmix_labels_are_shares_of_pixels(seed):
    images, targets = mixed("cutmix", seed=seed)
    for image, target in zip(images, targets, strict=True):
        shares = torch.bincount(image[0].long().flatten(), minlength=8) / 120
        torch.testing.assert_close(target, shares)


def test_cutmix_pastes_one_rectangle_at_the_same_place():
    images, _ = mixed("cutmix", seed=1)
    pasted = images != batch()
    changed = pasted[:, 0].flatten(1).any(dim=1)
    assert changed.any()
    places = pasted[changed, 0]
    assert (places == places[0]).all()
    rows, columns = places[0].any(dim=1).nonzero(), places[0].any(dim=0).nonzero()
    assert places[0].sum() == len(rows) * len(columns)
    assert rows[-1] - rows[0] + 1 == len(rows)


def test_mixup_adds_two_images_in_one_proportion():
    images, targets = mixed("mixup", seed=3)
    own = targets.diagonal()
    mixed_rows = own < 1
    assert mixed_rows.sum() > 1
    torch.testing.assert_close(own[mixed_rows], own[mixed_rows][0].expand(int(mixed_rows.sum())))
    assert (images == images[:, :1, :1, :1]).all()


def test_alpha_decides_how_far_images_are_mixed():
    def distance(alpha):
        shares = [mixed("mixup", alpha, seed)[1].max(dim=1).values.min() for seed in range(40)]
        return torch.stack(shares).mean()

    assert distance(0.05) > 0.9 and distance(100.0) < 0.6


def test_none_leaves_images_alone():
    images = batch()
    result, targets = Mixing("none", 1.0, 8)(images, LABELS, torch.Generator())
    assert result is images and torch.equal(targets, torch.eye(8))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_generator_decides_and_global_state_is_left(kind):
    before = torch.get_rng_state()
    first, again, other = (mixed(kind, seed=seed)[0] for seed in (0, 0, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_batch_itself_is_left(kind):
    images, labels = batch(), LABELS.clone()
    Mixing(kind, 1.0, 8)(images, labels, torch.Generator().manual_seed(1))
    assert torch.equal(images, batch()) and torch.equal(labels, LABELS)


def test_wrong_settings_are_refused():
    with pytest.raises(UserError, match="no mixing 'cutmx'; did you mean 'cutmix'"):
        Mixing("cutmx", 1.0, 8)
    with pytest.raises(UserError, match=r"alpha of mixup must be positive, not 0\.0"):
        Mixing("mixup", 0.0, 8)


def test_images_before_normalisation_are_refused():
    with pytest.raises(ValueError, match=r"must be normalised and floating, not torch\.uint8"):
        Mixing("mixup", 1.0, 8)(batch().byte(), LABELS, torch.Generator())
