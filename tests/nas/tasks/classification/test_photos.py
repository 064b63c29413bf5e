"""Photos that are kept larger than networks see them, and pooled splits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas import tasks
from nas.errors import UserError
from nas.kinds.classification.scoring import score_classifier
from nas.tasks.classification.augmentation import AugmentationSettings
from nas.tasks.classification.photos import five_crops, random_crops

CPU = torch.device("cpu")
RANDOM = AugmentationSettings(crop="random")


def gradient(height, width):
    """A photo whose red tells the row and whose green tells the column."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(height)[:, None]
    pixels[..., 1] = np.arange(width)
    return pixels


@pytest.fixture
def kept(photos):
    """Photos of 24x32 pixels at 16x16, and whole at a short side of 20."""
    return tasks.load(photos.root, input_size=[16, 16], centre_crop=1.0, short_side=20)


def test_photos_keep_their_shape_at_the_short_side(kept):
    data = kept.dataset("train")
    first, second = data.photos[torch.tensor([0, 3])]
    assert first.shape == second.shape == (3, 20, 27)
    assert data.images.shape[1:] == (3, 16, 16)
    assert len(data.photos) == len(data)


def test_a_task_keeps_no_photos_unless_it_is_told(photos):
    data = tasks.load(photos.root, input_size=[16, 16]).dataset("train")
    assert data.photos is None and not data.has_photos


def test_the_short_side_is_a_part_of_the_fingerprint(photos, kept):
    options = {"input_size": [16, 16], "centre_crop": 1.0}
    plain, larger = (
        tasks.load(photos.root, **options, **more) for more in ({}, {"short_side": 22})
    )
    assert len({plain.fingerprint, kept.fingerprint, larger.fingerprint}) == 3


def test_random_crops_reach_every_border_and_keep_the_pixels():
    photo = torch.from_numpy(gradient(20, 27).transpose(2, 0, 1).copy())
    torch.manual_seed(0)
    crops = random_crops([photo] * 500, (16, 16))
    tops, lefts = crops[:, 0, 0, 0].tolist(), crops[:, 1, 0, 0].tolist()
    assert (min(tops), max(tops), min(lefts), max(lefts)) == (0, 4, 0, 11)
    for crop, top, left in zip(crops, tops, lefts, strict=True):
        assert torch.equal(crop, photo[:, top : top + 16, left : left + 16])


def test_five_crops_are_the_corners_and_the_middle():
    photo = torch.from_numpy(gradient(20, 28).transpose(2, 0, 1).copy())
    found = [tuple(crop[0, :2, 0, 0].tolist()) for crop in five_crops([photo], (16, 16))]
    assert found == [(0, 0), (0, 12), (4, 0), (4, 12), (2, 6)]


def test_training_cuts_from_the_photos(kept):
    augment, data = kept.augmentation(RANDOM), kept.dataset("train")
    rows = torch.arange(6)
    generator = torch.Generator().manual_seed(1)
    cut = augment(data.photos[rows], generator)
    assert cut.shape == (6, 3, 16, 16) and cut.dtype == torch.uint8


def test_random_crops_need_photos(photos):
    with pytest.raises(UserError, match="this task keeps none; give it a short_side"):
        tasks.load(photos.root, input_size=[16, 16]).augmentation(RANDOM)


def test_photos_smaller_than_the_images_are_refused(photos):
    with pytest.raises(UserError, match="short_side of 15 pixels are too small to cut 16x16"):
        tasks.load(photos.root, input_size=[16, 16], short_side=15)


class Corner(nn.Module):
    """Logits that tell the green of the last column."""

    def forward(self, images):
        means = images.mean((2, 3))
        return torch.stack([images[:, 1, :, -1].mean(1), means[:, 0], means[:, 2]], dim=1)


def test_ten_crops_see_the_borders_of_the_photos(photos):
    for number in range(6):
        photos.save(gradient(20, 60), f"train/{'ant' if number % 2 else 'bee'}/wide{number}.png")
    normalisation = {"mean": [0, 0, 0], "std": [1, 1, 1]}
    options = {"input_size": [16, 16], "centre_crop": 1.0, "short_side": 20, "mirror": False}
    task = tasks.load(photos.root, **options, **normalisation)
    names = task.dataset("train").names
    wide = next(row for row, name in enumerate(names) if "wide" in name)
    card = score_classifier(Corner(), task, "train", CPU, "ten_crop")
    # Left 0, right 44, middle 22, and 15 more at the last column, of 255.
    mean = (2 * 15 + 2 * 59 + 37) / 5 / 255
    photo = task.dataset("train").photos[torch.tensor([wide])]
    logits = torch.stack(
        [Corner()(crop.float() / 255) for crop in five_crops(photo, (16, 16))]
    ).mean(0)
    assert logits[0, 0].item() == pytest.approx(mean, abs=1e-4)
    assert card.probabilities[wide] == pytest.approx(logits.softmax(1)[0].numpy(), abs=1e-5)


def test_idx_images_have_no_photos(idx):
    with pytest.raises(UserError, match="idx images have one size; remove short_side"):
        tasks.load(idx.root, short_side=40)


def test_images_that_must_not_be_mirrored_are_not(photos):
    task, still = (tasks.load(photos.root, input_size=[24, 32], mirror=m) for m in (True, False))
    images = torch.from_numpy(gradient(24, 32).transpose(2, 0, 1).copy())[None].expand(
        8, -1, -1, -1
    )
    flip = AugmentationSettings(flip=True)
    changed, same = (
        one.augmentation(flip)(images, torch.Generator().manual_seed(0)) for one in (task, still)
    )
    assert torch.equal(same, images) and not torch.equal(changed, images)
    assert task.fingerprint != still.fingerprint
    with pytest.raises(UserError, match="the images of this task must not be mirrored"):
        score_classifier(Corner(), still, "validation", CPU, "flip")


def test_cub_can_be_pooled_and_dealt_anew(birds):
    options = {"pooled": True, "validation_share": 2, "test_share": 4}
    task = tasks.load(birds.root, **options)
    counts = {split: len(task.dataset(split)) for split in task.splits}
    assert counts == {"train": 6, "validation": 2, "test": 4}
    for split in task.splits:
        assert sorted(set(task.dataset(split).targets.tolist())) == [0, 1]
    names = [name for split in task.splits for name in task.dataset(split).names]
    assert len(set(names)) == 12


def test_only_cub_is_pooled(photos):
    with pytest.raises(UserError, match="pooled belongs to the layout 'cub', and this is 'image_"):
        tasks.load(photos.root, pooled=True)


@pytest.mark.parametrize("count", [3, 7, 30])
def test_numbers_of_images_are_held_out_exactly_with_the_classes_in_proportion(photos, count):
    task = tasks.load(photos.root, validation_share=count, test_share=0.1)
    assert len(task.dataset("validation")) == count
    # Ten ants, twenty bees and thirty cats.
    found = np.bincount(task.dataset("validation").targets.numpy(), minlength=3)
    assert found.min() >= 1 and abs(found / count - np.array([1, 2, 3]) / 6).max() < 0.2


@pytest.mark.parametrize("count", [2, 58])
def test_more_images_than_can_be_held_out_are_refused(photos, count):
    with pytest.raises(UserError, match=f"{count} images are to be held out; 3 to 57 can be"):
        tasks.load(photos.root, validation_share=count)
