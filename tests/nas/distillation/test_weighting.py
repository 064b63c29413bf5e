from __future__ import annotations

import pytest

from nas.distillation import default_weight, describe, ratio_weight


@pytest.mark.parametrize(
    ("ratio", "weight"),
    [(0.2, 0.25), (0.5, 1), (0.7, 2.33333333), (0.9, 9), (1, 1), (10, 10), (100, 100), (0, 0)],
)
@pytest.mark.parametrize("method", ["soft_target", "similarity", "mgd"])
def test_the_rule_of_the_notes(ratio, weight, method):
    assert ratio_weight(ratio, method) == pytest.approx(weight)


def test_the_rule_leaps_at_one():
    assert ratio_weight(0.99, "soft_target") == pytest.approx(99)
    assert ratio_weight(1.0, "soft_target") == 1


@pytest.mark.parametrize("ratio", [0.2, 0.99, 1, 1000])
def test_for_attention_the_weight_is_the_ratio(ratio):
    assert ratio_weight(ratio, "attention") == ratio


@pytest.mark.parametrize("ratio", [-0.1, float("nan"), float("inf")])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ValueError, match="ratio must be 0 or above"):
        ratio_weight(ratio, "mgd")


def test_every_loss_has_a_weight_above_0():
    for info in describe():
        for compares in info.compares:
            assert default_weight(info.name, compares) > 0


@pytest.mark.parametrize(
    ("method", "compares", "weight"),
    [
        ("soft_target", "logits", 7 / 3),
        ("attention", "features", 1000),
        ("similarity", "features", 3000),
        ("hint", "features", 100),
        ("channel_wise", "logits", 3),
        ("channel_wise", "features", 50),
    ],
)
def test_published_weights(method, compares, weight):
    assert default_weight(method, compares) == pytest.approx(weight)
