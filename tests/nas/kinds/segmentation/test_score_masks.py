from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.errors import UserError
from nas.kinds.segmentation.scoring import score_masks, score_network

CPU = torch.device("cpu")
CLASSES = ("ground", "leaf", "fruit")
GROUPS = {"plant": ["leaf", "fruit"]}


def logits_of(labels):
    return functional.one_hot(torch.tensor(labels), 3).permute(0, 3, 1, 2).float()


def test_scores_are_those_of_the_confusion():
    masks = torch.tensor([[[0, 0, 1, 1]], [[1, 1, 0, 255]]], dtype=torch.uint8)
    batches = [logits_of([[[0, 1, 1, 1]]]), logits_of([[[1, 0, 0, 0]]])]
    card = score_masks(batches, masks, CLASSES, 255, GROUPS)
    assert card.confusion.tolist() == [[2, 1, 0], [1, 3, 0], [0, 0, 0]]
    assert card.scores["f1"]["ground"] == pytest.approx(4 / 6)
    assert card.scores["iou"]["leaf"] == pytest.approx(3 / 5)
    assert math.isnan(card.scores["f1"]["fruit"])
    assert card.macro["f1"] == pytest.approx((4 / 6 + 6 / 8) / 2)
    assert card.groups == {"plant": pytest.approx(6 / 8)}
    assert card.figures == {
        "mean_iou": pytest.approx((2 / 4 + 3 / 5) / 2),
        "macro_f1": pytest.approx((4 / 6 + 6 / 8) / 2),
        "accuracy": pytest.approx(5 / 7),
    }


def test_logits_are_brought_to_the_size_of_the_masks_before_the_decision():
    masks = torch.tensor([[[0, 0, 0, 1]]], dtype=torch.uint8)
    # Interpolated to four pixels, the difference of the two classes is -3, -1.75, 0.75 and 2.
    logits = torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]], [[-9.0, -9.0]]]])
    card = score_masks([logits], masks, CLASSES, 255, {})
    assert card.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_half_precision_logits_are_scored():
    masks = torch.zeros(1, 2, 2, dtype=torch.uint8)
    card = score_masks([logits_of([[[0]]]).bfloat16()], masks, CLASSES, 255, {})
    assert np.trace(card.confusion) == 4


class Halves(nn.Module):
    """One class in the left half of every image and another one in the right half."""

    def __init__(self, left, right):
        super().__init__()
        self._left, self._right = left, right

    def forward(self, images):
        logits = torch.zeros(len(images), 11, *images.shape[-2:])
        logits[:, self._left, :, :16] = 1
        logits[:, self._right, :, 16:] = 1
        return logits


class Brightness(nn.Module):
    """A class by the colour of the pixel."""

    def forward(self, images):
        colours = images.sum(dim=1, keepdim=True)
        return torch.cat([colours, -colours, torch.zeros(len(images), 9, 32, 32)], dim=1)


def test_a_mirrored_view_is_mirrored_back(faces):
    plain, flipped = (
        score_network(Brightness(), faces, "validation", CPU, views) for views in ("none", "flip")
    )
    assert (plain.confusion == flipped.confusion).all()
    assert (plain.confusion.sum(axis=0) > 0).sum() >= 2


def test_a_mirrored_view_swaps_the_classes_that_mirroring_swaps(faces):
    (left, right), *_ = faces.pairs
    for network in (Halves(left, right), Halves(right, left)):
        plain, flipped = (
            score_network(network, faces, "validation", CPU, views) for views in ("none", "flip")
        )
        assert (plain.confusion == flipped.confusion).all()
    # Classes that are not paired stay what they are: either half is as likely to be both.
    single = sorted(set(range(11)) - {number for pair in faces.pairs for number in pair})[:2]
    flipped = score_network(Halves(*single), faces, "validation", CPU, "flip")
    assert flipped.confusion.sum(axis=0).nonzero()[0].tolist() == single[:1]


def test_views_that_masks_do_not_have_are_refused(faces):
    with pytest.raises(UserError, match="'ten_crop' are not defined for segmentation; use flip"):
        score_network(Brightness(), faces, "validation", CPU, "ten_crop")


def test_scores_do_not_depend_on_the_batch_size(make_network, faces):
    network = make_network().eval()
    cards = [score_network(network, faces, "validation", CPU, batch_size=size) for size in (3, 8)]
    assert (cards[0].confusion == cards[1].confusion).all()
    assert cards[0].confusion.sum() == 8 * 32 * 32
