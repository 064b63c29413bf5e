from __future__ import annotations

import pytest
import torch

from nas.tasks import Mixing
from nas.training.images import ImageBatches, Normaliser

CPU = torch.device("cpu")
UNIT = Normaliser((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))


def keep(images, targets, generator):
    return images, targets


def jitter(images, targets, generator):
    return images + torch.randint(200, images.shape, generator=generator).byte(), targets


def batches(count=10, batch_size=4, augment=keep, seed=0, normalise=UNIT, **options):
    """Images and masks that hold their own number everywhere."""
    numbers = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1)
    images = numbers[:, None].expand(-1, 3, 2, 2)
    options = {"targets": numbers.expand(-1, 2, 2)} | options
    return ImageBatches(
        images=images,
        batch_size=batch_size,
        normalise=normalise,
        augment=augment,
        device=CPU,
        seed=seed,
        **options,
    )


def labelled(**options):
    """The same, with the number as the label of the whole image."""
    return batches(**{"targets": torch.arange(10)} | options)


def order(source, epoch):
    return [batch.targets[:, 0, 0].tolist() for batch in source.epoch(epoch)]


def test_images_are_normalised_by_channel():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    normalised = Normaliser((0.5, 0.5, 0.2), (0.25, 0.5, 0.1))(images, CPU)
    assert normalised.dtype == torch.float32
    assert normalised.flatten().tolist() == pytest.approx([-2, 1, 0], abs=1e-6)
    assert images.flatten().tolist() == [0, 255, 51]


def test_normalised_images_are_in_channels_last_order():
    normalised = UNIT(torch.zeros(2, 3, 4, 5, dtype=torch.uint8), CPU)
    assert normalised.shape == (2, 3, 4, 5)
    assert normalised.is_contiguous(memory_format=torch.channels_last)


def test_images_and_masks_stay_together():
    for batch in batches().epoch(0):
        assert batch.inputs[:, 0, 0, 0].round().tolist() == batch.targets[:, 0, 0].tolist()


def test_a_smaller_last_batch_is_left_out():
    source = batches(count=10, batch_size=4)
    assert len(source) == 2
    assert [len(part) for part in order(source, 0)] == [4, 4]


def test_a_smaller_data_set_makes_one_batch():
    source = batches(count=3, batch_size=4)
    assert len(source) == 1
    assert sorted(order(source, 0)[0]) == [0, 1, 2]


def test_an_epoch_shows_an_image_once_and_each_epoch_has_its_order():
    source = batches(count=12, batch_size=4)
    drawn = [[n for part in order(source, epoch) for n in part] for epoch in (0, 1, 0)]
    assert sorted(drawn[0]) == list(range(12))
    assert drawn[0] == drawn[2] != drawn[1]


def test_the_seed_decides_the_order():
    assert order(batches(seed=1), 0) == order(batches(seed=1), 0) != order(batches(seed=2), 0)


@pytest.mark.parametrize("mixing", [None, Mixing("mixup", 1.0, 10)])
def test_the_seed_decides_augmentation_and_mixing(mixing):
    def images(seed, epoch):
        source = labelled(augment=jitter, seed=seed, mixing=mixing)
        return torch.cat([batch.inputs for batch in source.epoch(epoch)])

    torch.manual_seed(5)
    first = images(1, 0)
    state = torch.get_rng_state()
    torch.manual_seed(6)
    assert torch.equal(images(1, 0), first)
    assert not torch.equal(images(2, 0), first)
    assert not torch.equal(images(1, 1), first)
    torch.manual_seed(5)
    images(1, 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_images_stay_with_their_labels():
    for batch in labelled().epoch(0):
        assert batch.targets.shape == (4,)
        assert batch.inputs[:, 0, 0, 0].round().tolist() == batch.targets.tolist()


def test_logits_of_a_teacher_stay_with_their_images():
    known = torch.arange(10.0)[:, None].repeat(1, 3)
    for batch in labelled(teacher=known).epoch(0):
        assert batch.teacher.shape == (4, 3)
        assert batch.teacher[:, 1].tolist() == batch.targets.tolist()
    assert all(batch.teacher is None for batch in labelled().epoch(0))


def test_mixing_gives_shares_that_fit_the_mixed_images():
    shares = []
    for batch in labelled(mixing=Mixing("mixup", 1.0, 10)).epoch(0):
        assert batch.targets.shape == (4, 10)
        # The pixels are linear in the label, and so is their mixture.
        mean = (batch.targets * torch.arange(10.0)).sum(dim=1)
        expected = mean[:, None, None, None].expand_as(batch.inputs)
        torch.testing.assert_close(batch.inputs, expected)
        shares += batch.targets.max(dim=1).values.tolist()
    assert min(shares) < 1


@pytest.mark.parametrize(
    ("where", "value"),
    [("IN_MEMORY", 0), ("ImageBatches._for_gpu", True)],
    ids=["large", "gpu"],
)
def test_batches_that_are_made_ahead_are_the_same(monkeypatch, where, value):
    def epoch():
        source = labelled(
            count=23,
            targets=torch.arange(23),
            augment=jitter,
            mixing=Mixing("mixup", 1.0, 23),
        )
        return [(batch.inputs, batch.targets) for batch in source.epoch(1)]

    expected = epoch()
    monkeypatch.setattr(f"nas.training.images.{where}", value)
    found = epoch()
    assert len(found) == len(expected) == 5
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_an_image_that_cannot_be_read_ahead_ends_the_epoch(monkeypatch):
    monkeypatch.setattr("nas.training.images.IN_MEMORY", 0)
    source = batches(count=12, targets=torch.zeros(3, 2, 2, dtype=torch.uint8))
    with pytest.raises(IndexError):
        list(source.epoch(0))
