from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.kinds.classification.scoring import score_classifier, score_logits

CPU = torch.device("cpu")
LABELS = torch.tensor([0, 0, 0, 1, 2, 2])
PREDICTIONS = torch.tensor([0, 0, 1, 1, 0, 2])


class Sided(nn.Module):
    """Says class 1 as far as the left half is brighter than the right one."""

    def forward(self, images):
        left = (images[..., :6] - images[..., 6:]).mean(dim=(1, 2, 3))
        return torch.stack([torch.full_like(left, 0.01), left, left - 9], dim=1)


@pytest.fixture
def card(corners):
    return score_logits(5 * functional.one_hot(PREDICTIONS, 3).float(), LABELS, corners)


def test_images_are_counted_by_label_and_prediction(card):
    assert card.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_accuracy_is_the_share_of_images_and_its_mean_over_classes_that_of_recalls(card):
    assert card.figures["accuracy"] == pytest.approx(4 / 6)
    assert card.figures["mean_class_accuracy"] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert card.figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 2 / 3) / 3)


def test_the_loss_is_the_plain_cross_entropy(card):
    right, wrong = (-math.log(math.exp(x) / (math.exp(5) + 2)) for x in (5, 0))
    assert card.figures["loss"] == pytest.approx((4 * right + 2 * wrong) / 6)


def test_a_class_without_images_has_no_recall_and_no_share_in_the_mean(corners):
    logits = functional.one_hot(torch.tensor([0, 2, 1]), 3).float()
    card = score_logits(logits, torch.tensor([0, 0, 1]), corners)
    assert card.figures["mean_class_accuracy"] == pytest.approx((1 / 2 + 1) / 2)


def test_a_record_holds_plain_values(card):
    record = card.to_record()
    assert record["confusion"] == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert record["accuracy"] == card.figures["accuracy"]


def test_scores_are_those_of_the_split_and_repeat_whatever_the_batch_size(corners, make_net):
    net = make_net(dropout=0.5).eval()
    cards = [score_classifier(net, corners, "validation", CPU, batch_size=n) for n in (256, 256, 5)]
    data = corners.dataset("validation")
    with torch.no_grad():
        logits = net((data.images / 255 - 0.3) / 0.2)
    expected = (logits.argmax(1) == data.targets).float().mean().item()
    assert [card.figures["accuracy"] for card in cards] == pytest.approx([expected] * 3)
    assert cards[0].figures["loss"] == cards[1].figures["loss"]
    assert cards[2].figures["loss"] == pytest.approx(cards[0].figures["loss"], rel=1e-5)
    assert np.array_equal(cards[0].confusion, cards[2].confusion)


def test_the_logits_of_the_views_are_averaged(corners):
    plain = score_classifier(Sided(), corners, "validation", CPU)
    # The sides of an image and its mirror image cancel out.
    flipped = score_classifier(Sided(), corners, "validation", CPU, "flip")
    assert plain.confusion[:, 1].sum() > 0
    assert flipped.confusion.tolist() == [[4, 0, 0]] * 3
    labels = corners.dataset("validation").targets
    logits = torch.tensor([0.01, 0.0, -9.0]).expand(len(labels), 3)
    expected = functional.cross_entropy(logits, labels).item()
    assert flipped.figures["loss"] == pytest.approx(expected, rel=1e-5)
