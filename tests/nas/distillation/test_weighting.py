from __future__ import annotations

import pytest

from nas.distillation import find, ratio_weight


@pytest.mark.parametrize(
    ("ratio", "weight"),
    [(0.2, 0.25), (0.5, 1), (0.7, 2.33333333), (0.9, 9), (1, 1), (10, 10), (100, 100), (0, 0)],
)
@pytest.mark.parametrize("method", ["soft_target", "similarity", "mgd"])
def test_the_rule_of_the_notes(ratio, weight, method):
    assert ratio_weight(ratio, find(method).info) == pytest.approx(weight)


def test_the_rule_leaps_at_one():
    assert ratio_weight(0.99, find("soft_target").info) == pytest.approx(99)
    assert ratio_weight(1.0, find("soft_target").info) == 1


@pytest.mark.parametrize("ratio", [0.2, 0.99, 1, 1000])
def test_for_attention_the_weight_is_the_ratio(ratio):
    assert ratio_weight(ratio, find("attention").info) == ratio


@pytest.mark.parametrize("ratio", [-0.1, float("nan"), float("inf")])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ValueError, match="ratio must be 0 or above"):
        ratio_weight(ratio, find("mgd").info)


@pytest.mark.parametrize(
    ("method", "compares", "weight"),
    [
        ("logit_mse", "logits", 0.3),
        ("soft_target", "logits", 7 / 3),
        ("dkd", "logits", 1),
        ("dist", "logits", 1),
        ("feature_mse", "features", 100),
        ("hint", "features", 100),
        ("attention", "features", 1000),
        ("mgd", "features", 7 / 3),
        ("mgd", "logits", 7 / 3),
        ("similarity", "features", 3000),
        ("rkd", "features", 1),
        ("mmd", "features", 1),
        ("nst", "features", 50),
        ("channel_wise", "logits", 3),
        ("channel_wise", "features", 50),
    ],
)
def test_published_weights(method, compares, weight):
    assert find(method).info.default_weight(compares) == pytest.approx(weight)
