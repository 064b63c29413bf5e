from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from nas.training.scoring import predict, score

CLASSES = ("ground", "leaf", "fruit")
GROUPS = {"plant": ["leaf", "fruit"]}


def logits_of(labels):
    return functional.one_hot(torch.tensor(labels), 3).permute(0, 3, 1, 2).float()


def test_scores_are_those_of_the_confusion():
    masks = torch.tensor([[[0, 0, 1, 1]], [[1, 1, 0, 255]]], dtype=torch.uint8)
    batches = [logits_of([[[0, 1, 1, 1]]]), logits_of([[[1, 0, 0, 0]]])]
    card = score(batches, masks, CLASSES, 255, GROUPS)
    assert card.confusion.tolist() == [[2, 1, 0], [1, 3, 0], [0, 0, 0]]
    assert card.scores["f1"]["ground"] == pytest.approx(4 / 6)
    assert card.scores["iou"]["leaf"] == pytest.approx(3 / 5)
    assert math.isnan(card.scores["f1"]["fruit"])
    assert card.macro["f1"] == pytest.approx((4 / 6 + 6 / 8) / 2)
    assert card.groups == {"plant": pytest.approx(6 / 8)}


def test_logits_are_brought_to_the_size_of_the_masks_before_the_decision():
    masks = torch.tensor([[[0, 0, 0, 1]]], dtype=torch.uint8)
    # Interpolated to four pixels, the difference of the two classes is -3, -1.75, 0.75 and 2.
    logits = torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]], [[-9.0, -9.0]]]])
    card = score([logits], masks, CLASSES, 255, {})
    assert card.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_half_precision_logits_are_scored():
    masks = torch.zeros(1, 2, 2, dtype=torch.uint8)
    card = score([logits_of([[[0]]]).bfloat16()], masks, CLASSES, 255, {})
    assert np.trace(card.confusion) == 4


def test_predictions_come_in_batches_and_in_order_without_gradients():
    layer = torch.nn.Conv2d(1, 1, 1)
    inputs = torch.arange(5.0).view(5, 1, 1, 1)
    parts = list(predict(layer, inputs, batch_size=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert not any(part.requires_grad for part in parts)
    torch.testing.assert_close(torch.cat(parts), layer(inputs).detach())
