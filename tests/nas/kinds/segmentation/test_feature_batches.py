from __future__ import annotations

import torch

from nas.kinds.segmentation.batches import FeatureBatches, SplitFeatures


def numbered(count=10, teacher=True):
    """Maps, masks and logits that hold the number of their image everywhere."""
    numbers = torch.arange(count)
    maps = (numbers.float().view(-1, 1, 1, 1).repeat(1, 4, 4, 2),)
    logits = numbers.float().view(-1, 1, 1, 1).repeat(1, 2, 2, 3) if teacher else None
    return SplitFeatures(maps, numbers.byte().view(-1, 1, 1).repeat(1, 8, 8), logits)


def batches(features, batch_size=4, with_teacher=True, seed=0):
    return FeatureBatches(features, batch_size, (8, 8), (4, 4), with_teacher, seed)


def order(source, epoch=0):
    return [number for batch in split(source, epoch) for number in batch]


def split(source, epoch=0):
    return [batch.targets[:, 0, 0].tolist() for batch in source.epoch(epoch)]


def test_maps_masks_and_logits_of_an_image_stay_together():
    for batch in batches(numbered()).epoch(0):
        assert batch.inputs[0].shape == (4, 2, 4, 4)
        assert batch.teacher.shape == (4, 3, 4, 4)
        numbers = batch.targets[:, 0, 0].tolist()
        assert batch.inputs[0][:, 1, 2, 3].tolist() == numbers
        assert batch.teacher[:, 2, 3, 0].tolist() == numbers


def test_an_epoch_shows_an_image_once_and_each_epoch_has_its_order():
    source = batches(numbered(12))
    drawn = [order(source, epoch) for epoch in (0, 1, 0)]
    assert sorted(drawn[0]) == list(range(12))
    assert drawn[0] == drawn[2] != drawn[1]
    assert order(batches(numbered(12), seed=1)) != drawn[0]


def test_a_smaller_last_batch_is_left_out_and_a_smaller_split_makes_one():
    assert [len(part) for part in split(batches(numbered(10)))] == [4, 4]
    assert len(batches(numbered(10))) == 2
    assert sorted(order(batches(numbered(3)))) == [0, 1, 2]
    assert len(batches(numbered(3))) == 1


def test_logits_are_given_only_where_they_are_wanted():
    assert all(b.teacher is None for b in batches(numbered(), with_teacher=False).epoch(0))
    assert all(b.teacher is None for b in batches(numbered(teacher=False)).epoch(0))


def test_a_batch_of_maps_is_in_channels_last_order():
    maps = numbered().gather(torch.tensor([3, 1]))[0]
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert maps[:, 0, 0, 0].tolist() == [3, 1]


def test_targets_are_brought_to_a_size_once():
    masks = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1]]], dtype=torch.uint8)
    teacher = torch.tensor([[[[0.0, 8.0], [4.0, 0.0]]]])
    features = SplitFeatures((torch.zeros(1, 1, 2, 1),), masks, teacher)
    small_masks, logits = features.targets((1, 2))
    assert small_masks.tolist() == [[[0, 1]]]
    assert torch.equal(logits, teacher)
    assert features.targets((1, 2))[0] is small_masks
    wide_masks, wide = features.targets((2, 4))
    assert torch.equal(wide_masks, masks)
    # Four pixel centres between two of 0 and 4, for both rows.
    assert wide[0, :, :, 0].tolist() == [[0, 1, 3, 4]] * 2
    assert wide[0, 1, :, 1].tolist() == [8, 6, 2, 0]


def test_without_a_teacher_there_are_no_target_logits():
    assert numbered(teacher=False).targets((4, 4))[1] is None
