from __future__ import annotations

import pytest
import torch

from nas.tasks import Mixing
from nas.training.classification.batches import LabelledBatches
from nas.training.images import Normaliser

CPU = torch.device("cpu")


def keep(images, generator):
    return images


def noisy(images, generator):
    return images + torch.randint(0, 5, images.shape, generator=generator, dtype=torch.uint8)


def make(count=10, batch_size=4, augment=keep, mixing=None, seed=0):
    """Images whose every pixel is ten times their number, which is their label too."""
    labels = torch.arange(count)
    images = (10 * labels).to(torch.uint8)[:, None, None, None].expand(count, 3, 4, 4)
    normalise = Normaliser((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))
    return LabelledBatches(images, labels, batch_size, normalise, augment, mixing, CPU, seed)


def labels_of(batches, index):
    return torch.cat([batch.targets for batch in batches.epoch(index)]).tolist()


def test_an_epoch_shows_every_image_at_most_once_and_leaves_a_smaller_batch_out():
    batches = make()
    assert len(batches) == 2
    assert [len(batch.targets) for batch in batches.epoch(0)] == [4, 4]
    assert len(set(labels_of(batches, 0))) == 8


def test_a_data_set_below_the_batch_size_makes_one_batch():
    batches = make(count=3)
    assert len(batches) == 1
    assert sorted(labels_of(batches, 0)) == [0, 1, 2]


def test_images_are_normalised_and_stay_with_their_labels():
    for batch in make().epoch(0):
        assert batch.inputs.dtype == torch.float32
        expected = batch.targets[:, None, None, None] * 10 / 255 / 0.5
        torch.testing.assert_close(batch.inputs, expected.expand_as(batch.inputs))


def test_the_order_depends_on_the_epoch_and_the_seed_alone():
    first = labels_of(make(), 0)
    assert labels_of(make(), 0) == first
    assert labels_of(make(), 1) != first
    assert labels_of(make(seed=1), 0) != first


@pytest.mark.parametrize("mixing", [None, Mixing("mixup", 1.0, 10)])
def test_augmentation_and_mixing_repeat_and_leave_the_global_generator_alone(mixing):
    state = torch.get_rng_state()
    first, second, later = (
        torch.cat([b.inputs for b in make(augment=noisy, mixing=mixing).epoch(index)])
        for index in (3, 3, 4)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, later)
    assert torch.equal(torch.get_rng_state(), state)


def test_mixing_gives_shares_that_fit_the_mixed_images():
    batches = make(mixing=Mixing("mixup", 1.0, 10))
    shares = []
    for batch in batches.epoch(0):
        assert batch.targets.shape == (4, 10)
        # The pixels are linear in the label, and so is their mixture.
        mean = (batch.targets * torch.arange(10.0)).sum(dim=1)
        expected = mean[:, None, None, None] * 10 / 255 / 0.5
        torch.testing.assert_close(batch.inputs, expected.expand_as(batch.inputs))
        shares += batch.targets.max(dim=1).values.tolist()
    assert min(shares) < 1
