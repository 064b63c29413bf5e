from __future__ import annotations

import math

import pytest
import torch

from nas.training.class_weights import balanced_weights, class_weights

IGNORED = 255


def test_equal_weights_are_none() -> None:
    assert class_weights("equal", torch.tensor([0, 1]), 2, IGNORED, torch.device("cpu")) is None


def test_balanced_weights_are_those_of_the_split() -> None:
    labels = torch.tensor([0, 1, 1, IGNORED])
    chosen = class_weights("balanced", labels, 2, IGNORED, torch.device("cpu"))
    assert torch.equal(chosen, balanced_weights(labels, 2, IGNORED))


def test_balanced_weights_are_inverse_roots_with_a_mean_of_one_over_pixels():
    masks = torch.tensor([[[0, 1, 1], [1, IGNORED, IGNORED]]], dtype=torch.uint8)
    weights = balanced_weights(masks, 3, IGNORED)
    # Shares of 1/4 and 3/4: the roots of 4 and 4/3, and their mean over pixels.
    mean = 0.25 * 2 + 0.75 * math.sqrt(4 / 3)
    assert weights.tolist() == pytest.approx([2 / mean, math.sqrt(4 / 3) / mean, 0])
    assert 0.25 * weights[0].item() + 0.75 * weights[1].item() == pytest.approx(1)


def test_balanced_weights_of_equally_frequent_classes_are_equal():
    assert balanced_weights(torch.arange(3), 3, IGNORED).tolist() == pytest.approx([1, 1, 1])


def test_weights_of_many_masks_are_those_of_all_pixels_at_once(monkeypatch) -> None:
    masks = torch.cat([torch.zeros(700, 1, 4), torch.ones(500, 1, 4)]).byte()
    whole = balanced_weights(masks, 2, IGNORED)
    monkeypatch.setattr("nas.training.class_weights._MOST", 50)
    assert torch.equal(balanced_weights(masks, 2, IGNORED), whole)


@pytest.mark.parametrize("ignored", [0, 255, -1])
def test_what_is_ignored_does_not_count_in_bytes_and_in_numbers(ignored) -> None:
    labels = [1, 2, 2] + [ignored] * 4
    weights = balanced_weights(torch.tensor(labels), 3, ignored)
    assert weights.tolist() == balanced_weights(torch.tensor([1, 2, 2]), 3, IGNORED).tolist()
    if ignored >= 0:
        masks = torch.tensor(labels, dtype=torch.uint8)
        assert balanced_weights(masks, 3, ignored).tolist() == weights.tolist()
