from __future__ import annotations

import math

import pytest

import rewards
from rewards import Drop, Penalty, Reward, RewardError

SCORES = {
    "f1": {"skin": 0.9, "left_eye": 0.4, "right_eye": 0.6},
    "iou": {"skin": 0.8, "left_eye": 0.2, "right_eye": 0.5},
    "accuracy": {"skin": 1.0, "left_eye": 0.3, "right_eye": math.nan},
}
COSTS = {"params": 0.25e6, "flops": 3.0e9}
EYES = ("left_eye", "right_eye")
PENALTIES = (Penalty("params", 0.5e6, -1.0), Penalty("flops", 1.5e9, -2.0))  # 2.0 and 0.25


def test_quality_is_the_mean_over_the_reward_classes_only() -> None:
    assert Reward(EYES).quality(SCORES) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("metric", "how", "expected"),
    [("f1", "minimum", 0.4), ("f1", "geometric_mean", math.sqrt(0.24)), ("iou", "mean", 0.35)],
)
def test_metric_and_aggregate_are_used(metric: str, how: str, expected: float) -> None:
    reward = Reward(EYES, metric=metric, aggregate=how)
    assert reward.quality(SCORES) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("mean", 1.125), ("product", 0.5), ("geometric_mean", math.sqrt(0.5))],
)
def test_coefficients_are_combined(how: str, expected: float) -> None:
    reward = Reward(EYES, penalties=PENALTIES, combine=how)
    assert reward.coefficient(0.5, COSTS) == pytest.approx(expected)
    assert reward(SCORES, COSTS) == pytest.approx(0.5 * expected)


def test_without_penalties_the_reward_is_the_quality() -> None:
    assert Reward(EYES)(SCORES, {}) == pytest.approx(0.5)


def test_one_penalty_is_the_same_under_every_combination() -> None:
    rewards = [
        Reward(EYES, penalties=PENALTIES[:1], combine=how)(SCORES, COSTS)
        for how in ("mean", "product", "geometric_mean")
    ]
    assert rewards == pytest.approx([1.0, 1.0, 1.0])


def test_a_drop_sees_the_quality_and_spares_the_other_penalty() -> None:
    drop = Drop(cost_floor=0.3e6, quality_floor=0.55)
    penalties = (Penalty("params", 0.5e6, -1.0, drop), PENALTIES[1])
    reward = Reward(EYES, penalties=penalties)
    assert reward.coefficient(0.5, COSTS) == pytest.approx((1.0 + 0.25) / 2)
    assert reward.coefficient(0.6, COSTS) == pytest.approx((2.0 + 0.25) / 2)


def test_a_missing_class_is_named_with_those_that_are_scored() -> None:
    message = "reward class 'nose' has no score; scored are: skin, left_eye, right_eye"
    with pytest.raises(RewardError, match=message):
        Reward(("nose",)).quality(SCORES)


def test_a_score_that_is_not_a_number_is_named_by_class() -> None:
    with pytest.raises(RewardError, match="accuracy of class 'right_eye' must be finite, not nan"):
        Reward(EYES, metric="accuracy").quality(SCORES)


def test_a_missing_metric_is_named() -> None:
    with pytest.raises(RewardError, match="scores hold no 'iou'; they hold: f1"):
        Reward(EYES, metric="iou").quality({"f1": SCORES["f1"]})


def test_a_missing_cost_is_named_with_those_that_were_recorded() -> None:
    reward = Reward(EYES, penalties=(Penalty("latency", 10.0, -0.5),))
    message = "penalised cost 'latency' was not recorded; recorded are: params, flops"
    with pytest.raises(RewardError, match=message):
        reward(SCORES, COSTS)


def test_a_quality_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(RewardError, match="quality must be finite, not nan"):
        Reward(EYES).coefficient(math.nan, COSTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ()}, "at least one class"),
        ({"classes": "skin"}, "reward classes must be a tuple, not 'skin'"),
        ({"classes": ("skin", "skin")}, "reward class 'skin' is listed twice"),
        ({"metric": "dice"}, "there is no metric 'dice'; choose one of f1, iou, accuracy"),
        ({"aggregate": "sum"}, "unknown aggregate 'sum'"),
        (
            {"combine": "sum"},
            "unknown combination 'sum'; choose one of: mean, product, geometric_mean",
        ),
        ({"penalties": (PENALTIES[0], PENALTIES[0])}, "penalised cost 'params' is listed twice"),
    ],
)
def test_wrong_settings_are_refused(options: dict, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        Reward(**{"classes": EYES, **options})


def test_a_score_over_the_whole_set_is_the_quality_whatever_the_classes() -> None:
    scores = SCORES | {"top1": {"all": 0.7}}
    assert Reward(metric="top1").quality(scores) == 0.7
    assert Reward(EYES, metric="top1", aggregate="minimum").quality(scores) == 0.7


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"all": math.nan}, "the auc must be finite, not nan"),
        ({"skin": 0.5}, "the whole set has no score; scored are: skin"),
    ],
)
def test_a_whole_set_without_a_score_has_no_quality(value: dict, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        Reward(metric="auc").quality({"auc": value})


@pytest.fixture
def misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics by class and over the set of which smaller is better."""
    monkeypatch.setattr(rewards.registry._METRICS, "_registered", {})
    for name, scope in (("miss", "class"), ("error", "set")):
        rewards.register_metric(name=name, label=name, scope=scope, larger_is_better=False)(
            lambda confusion: confusion
        )


@pytest.mark.parametrize(("how", "expected"), [("mean", 0.65), ("minimum", 0.4)])
def test_where_smaller_is_better_the_worst_class_has_the_least_quality(
    misses: None, how: str, expected: float
) -> None:
    reward = Reward(EYES, metric="miss", aggregate=how)
    scores = {"miss": {"skin": 1.0, "left_eye": 0.6, "right_eye": 0.1}}
    assert reward.quality(scores) == pytest.approx(expected)


def test_the_quality_of_an_error_of_the_whole_set_is_what_is_left(misses: None) -> None:
    assert Reward(metric="error").quality({"error": {"all": 0.25}}) == 0.75


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_an_error_out_of_range_has_no_quality(misses: None, value: float) -> None:
    message = f"the error is the better the smaller it is, .* unlike {value}"
    with pytest.raises(RewardError, match=message):
        Reward(metric="error").quality({"error": {"all": value}})
