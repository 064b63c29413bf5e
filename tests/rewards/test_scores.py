from __future__ import annotations

import math

import numpy as np
import pytest

from rewards import RewardError, class_scores, fastnas_quality, group_scores, macro

CLASSES = ("skin", "left_eye", "right_eye")
#                      skin  left  right
CONFUSION = np.array([[50, 5, 5], [2, 6, 2], [4, 4, 12]])


def test_class_scores_follow_the_definitions() -> None:
    scores = class_scores(CONFUSION, CLASSES)
    # left_eye: TP 6, FN 4, FP 9.
    assert scores["f1"]["left_eye"] == pytest.approx(12 / 25)
    assert scores["iou"]["left_eye"] == pytest.approx(6 / 19)
    assert scores["accuracy"]["left_eye"] == pytest.approx(6 / 10)
    assert scores["f1"]["skin"] == pytest.approx(100 / 116)
    assert scores["iou"]["right_eye"] == pytest.approx(12 / 27)
    assert list(scores["f1"]) == list(CLASSES)


def test_a_class_in_neither_labels_nor_predictions_has_no_score() -> None:
    scores = class_scores([[5, 0, 1], [0, 0, 0], [0, 0, 2]], CLASSES)
    assert all(math.isnan(scores[metric]["left_eye"]) for metric in scores)


def test_a_class_that_is_only_predicted_scores_zero_and_has_no_accuracy() -> None:
    scores = class_scores([[5, 3, 0], [0, 0, 0], [0, 0, 2]], CLASSES)
    assert scores["f1"]["left_eye"] == 0
    assert scores["iou"]["left_eye"] == 0
    assert math.isnan(scores["accuracy"]["left_eye"])


def test_macro_is_the_mean_of_the_classes_that_have_a_score() -> None:
    assert macro({"a": 0.2, "b": math.nan, "c": 0.6}) == pytest.approx(0.4)


def test_macro_of_nothing_is_not_a_number() -> None:
    assert math.isnan(macro({"a": math.nan}))


def test_a_group_is_a_micro_average_of_its_classes() -> None:
    groups = group_scores(CONFUSION, CLASSES, {"eyes": ["left_eye", "right_eye"]})
    # ΣTP 18, ΣFN 4 + 8, ΣFP 9 + 7.
    assert groups == {"eyes": pytest.approx(36 / (36 + 12 + 16))}


def test_classes_merged_into_one_member_do_not_confuse_each_other() -> None:
    groups = group_scores(CONFUSION, CLASSES, {"eye": [["left_eye", "right_eye"]]})
    # TP 6 + 2 + 4 + 12, FN 2 + 4, FP 5 + 5.
    assert groups == {"eye": pytest.approx(48 / (48 + 6 + 10))}


def test_merged_and_single_members_add_up() -> None:
    groups = group_scores(CONFUSION, CLASSES, {"all": ["skin", ["left_eye", "right_eye"]]})
    assert groups == {"all": pytest.approx(2 * 74 / (2 * 74 + 16 + 16))}


def test_a_group_that_never_occurs_has_no_score() -> None:
    groups = group_scores([[5, 0, 1], [0, 0, 0], [0, 0, 2]], CLASSES, {"eye": ["left_eye"]})
    assert math.isnan(groups["eye"])


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (["nose"], "unknown class in group 'g': 'nose'; choose one of: skin, left_eye"),
        ([], "group 'g' has no classes"),
        ([["skin"], []], "an empty member"),
        (["skin", ["skin", "left_eye"]], "group 'g' names a class twice"),
    ],
)
def test_wrong_groups_are_refused(group: list[str | list[str]], message: str) -> None:
    with pytest.raises(RewardError, match=message):
        group_scores(CONFUSION, CLASSES, {"g": group})


@pytest.mark.parametrize(
    ("confusion", "classes", "message"),
    [
        (CONFUSION, ("a", "b"), "counts 3 classes but 2 are named"),
        (CONFUSION, ("a", "b", "a"), "named twice"),
        (CONFUSION[:2], ("a", "b"), r"square, not of shape \(2, 3\)"),
        (-CONFUSION, CLASSES, "no negative counts"),
        (CONFUSION / 2, CLASSES, "must be integers, not float64"),
    ],
)
def test_wrong_matrices_are_refused(
    confusion: np.ndarray, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RewardError, match=message):
        class_scores(confusion, classes)


def test_fastnas_quality_is_the_cube_root_of_three_means() -> None:
    mean_iou = (50 / 66 + 6 / 19 + 12 / 27) / 3
    mean_accuracy = (50 / 60 + 6 / 10 + 12 / 20) / 3
    weighted_iou = (60 * 50 / 66 + 10 * 6 / 19 + 20 * 12 / 27) / 90
    expected = (mean_iou * mean_accuracy * weighted_iou) ** (1 / 3)
    assert fastnas_quality(CONFUSION) == pytest.approx(expected)


def test_fastnas_quality_leaves_the_background_out_of_the_averages() -> None:
    mean_iou = (6 / 19 + 12 / 27) / 2
    weighted_iou = (10 * 6 / 19 + 20 * 12 / 27) / 30
    expected = (mean_iou * 0.6 * weighted_iou) ** (1 / 3)
    assert fastnas_quality(CONFUSION, background=0) == pytest.approx(expected)


def test_fastnas_quality_skips_classes_that_never_occur() -> None:
    assert fastnas_quality([[4, 0, 0], [0, 0, 0], [0, 0, 2]]) == pytest.approx(1.0)


def test_fastnas_quality_of_nothing_is_refused() -> None:
    with pytest.raises(RewardError, match="no labelled pixel"):
        fastnas_quality([[4, 0], [0, 0]], background=0)


def test_a_background_that_is_no_class_is_refused() -> None:
    with pytest.raises(RewardError, match="background 3 is not a class index; expected 0 to 2"):
        fastnas_quality(CONFUSION, background=3)
