from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

import rewards
from rewards import Reward, RewardError, antispoofing_metrics, bootstrap_interval, hter_at, roc

FIXTURE = Path(__file__).parents[2].parent / "shared/fixtures/antispoofing_counts_and_metrics.csv"
ROUNDED = ("accuracy", "far", "frr", "hter")
EXACT = ("false_omission_rate", "false_discovery_rate", "for_fdr_mean")


@pytest.mark.skipif(not FIXTURE.is_file(), reason=f"{FIXTURE} is not there")
def test_all_published_rows_reproduce_in_all_columns():
    rows = list(csv.DictReader(FIXTURE.read_text().splitlines()))
    assert len(rows) == 217
    for row in rows:
        found = antispoofing_metrics(*(int(row[key]) for key in ("tp", "fn", "tn", "fp")))
        assert [round(getattr(found, key), 6) for key in ROUNDED] == [
            float(row[k]) for k in ROUNDED
        ]
        assert [getattr(found, key) for key in EXACT] == pytest.approx(
            [float(row[key]) for key in EXACT], rel=1e-14
        )
        assert (found.apcer, found.bpcer, found.acer) == (found.far, found.frr, found.hter)


def test_rates_follow_their_definitions():
    found = antispoofing_metrics(tp=6, fn=2, tn=9, fp=3)
    assert found.accuracy == 15 / 20
    assert (found.far, found.frr) == (3 / 12, 2 / 8)
    assert (found.false_omission_rate, found.false_discovery_rate) == (2 / 11, 3 / 9)
    assert found.for_fdr_mean == (2 / 11 + 3 / 9) / 2
    assert not found.undefined


def test_apcer_is_that_of_the_worst_type_of_attack():
    attacks = {"print": (8, 0), "mask": (1, 3), "none of it": (0, 0)}
    found = antispoofing_metrics(6, 2, 9, 3, attacks)
    assert (found.apcer, found.far) == (3 / 4, 3 / 12)
    assert found.acer == (3 / 4 + 2 / 8) / 2
    assert found.hter == (3 / 12 + 2 / 8) / 2


@pytest.mark.parametrize(
    ("counts", "undefined"),
    [
        ((0, 0, 5, 1), {"frr", "bpcer", "hter", "acer"}),
        ((5, 1, 0, 0), {"far", "apcer", "hter", "acer"}),
        ((5, 0, 0, 5), {"false_omission_rate", "for_fdr_mean"}),
        ((0, 5, 5, 0), {"false_discovery_rate", "for_fdr_mean"}),
    ],
)
def test_an_undefined_ratio_is_nan_and_says_why(counts, undefined):
    found = antispoofing_metrics(*counts)
    assert set(found.undefined) == undefined
    assert all(math.isnan(getattr(found, name)) for name in undefined)
    assert all(found.undefined.values())


@pytest.mark.parametrize(
    ("counts", "attacks", "message"),
    [
        ((1, -1, 1, 1), None, "fn must be a whole number from 0, not -1"),
        ((1, 1, 1.5, 1), None, "tn must be a whole number from 0, not 1.5"),
        ((1, 1, 1, 1), {"print": (1, 0)}, "1 rejected and 0 accepted, and all attacks are 1 and 1"),
    ],
)
def test_wrong_counts_are_refused(counts, attacks, message):
    with pytest.raises(RewardError, match=message):
        antispoofing_metrics(*counts, attacks)


SCORES, LIVE = [0.9, 0.8, 0.8, 0.4, 0.3, 0.1], [1, 1, 0, 1, 0, 0]


def test_a_curve_accepts_equal_scores_together():
    curve = roc(SCORES, LIVE)
    assert curve.thresholds.tolist() == [math.inf, 0.9, 0.8, 0.4, 0.3, 0.1]
    assert curve.tpr == pytest.approx([0, 1 / 3, 2 / 3, 1, 1, 1])
    assert curve.fpr == pytest.approx([0, 0, 1 / 3, 1 / 3, 2 / 3, 1])


def test_the_equal_error_rate_has_the_threshold_where_both_errors_are_equal():
    curve = roc(SCORES, LIVE)
    assert curve.eer == pytest.approx(1 / 3)
    assert curve.eer_threshold == 0.8
    assert hter_at(curve.eer_threshold, SCORES, LIVE) == pytest.approx(curve.eer)
    assert hter_at(0.4, SCORES, LIVE) == pytest.approx(1 / 6)


def test_true_positive_rates_stay_below_the_false_positive_rate_asked_for():
    curve = roc(SCORES, LIVE)
    assert [curve.tpr_at(rate) for rate in (0.0, 0.3, 0.34)] == pytest.approx([1 / 3, 1 / 3, 1])


@pytest.mark.parametrize(
    ("scores", "live", "message"),
    [
        ([0.1, 0.2], [1, 1], "one of them is missing"),
        ([0.1, math.nan], [0, 1], "finite"),
        ([0.1, 0.2], [0, 2], "0 for an attack and 1 for a live face"),
        ([0.1], [0, 1], "N each"),
    ],
)
def test_scores_without_a_curve_are_refused(scores, live, message):
    with pytest.raises(RewardError, match=message):
        roc(scores, live)


def test_an_interval_draws_whole_subjects():
    values = np.repeat([0.0, 1.0, 1.0, 1.0], 25)

    def mean(rows):
        return float(values[rows].mean())

    images = bootstrap_interval(mean, np.arange(100), seed=1)
    subjects = bootstrap_interval(mean, np.repeat(np.arange(4), 25), seed=1)
    assert images[0] < 0.75 < images[1]
    assert images[1] - images[0] < 0.2
    assert subjects == (0.25, 1.0)
    assert bootstrap_interval(mean, np.arange(100), seed=1) == images


def test_an_interval_leaves_out_draws_without_a_figure():
    interval = bootstrap_interval(lambda rows: math.nan if 0 in rows else 1.0, np.arange(3))
    assert interval == (1.0, 1.0)
    assert all(map(math.isnan, bootstrap_interval(lambda rows: math.nan, np.arange(3))))


CONFUSION = np.array([[9, 3], [2, 6]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("far", 3 / 12),
        ("frr", 2 / 8),
        ("hter", 0.25),
        ("apcer", 3 / 12),
        ("bpcer", 2 / 8),
        ("acer", 0.25),
        ("false_omission_rate", 2 / 11),
        ("false_discovery_rate", 3 / 9),
        ("for_fdr_mean", (2 / 11 + 3 / 9) / 2),
    ],
)
def test_metrics_of_a_confusion_matrix_are_known_by_name_and_better_the_smaller(name, expected):
    scores = rewards.score([name], ("attack", "live"), CONFUSION)
    assert scores[name]["all"] == expected
    assert Reward(metric=name).quality(scores) == 1 - expected


@pytest.mark.parametrize(
    ("name", "expected"), [("eer", 1 / 3), ("tpr_at_fpr_1e2", 1 / 3), ("tpr_at_fpr_1e4", 1 / 3)]
)
def test_metrics_of_probabilities_are_known_by_name(name, expected):
    probabilities = [[1 - score, score] for score in SCORES]
    scores = rewards.score([name], ("attack", "live"), CONFUSION, probabilities, LIVE)
    assert scores[name]["all"] == pytest.approx(expected)


def test_metrics_of_anti_spoofing_refuse_more_classes():
    with pytest.raises(RewardError, match="two classes, attack and live, and these are 3"):
        rewards.score(["acer"], "abc", np.eye(3, dtype=int))
    with pytest.raises(RewardError, match="two classes, attack and live, and these are 3"):
        rewards.score(["eer"], "abc", np.eye(3, dtype=int), np.eye(3), [0, 1, 2])
