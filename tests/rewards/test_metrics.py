from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import rewards
from rewards import RewardError

CLASSES = ("cat", "dog", "owl")
#                      cat dog owl
CONFUSION = np.array([[6, 2, 0], [1, 3, 0], [4, 0, 4]])
EMPTY = np.zeros((3, 3), dtype=np.int64)
FILE = str(Path(__file__).resolve())


@rewards.declaration.declared(label="half", larger_is_better=False)
def half(confusion):
    return 0.5


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(rewards.registry._METRICS, "_registered", {})


def whole(name: str, confusion: object = CONFUSION) -> float:
    return rewards.score([name], CLASSES, confusion)[name]["all"]


def area(probabilities: list, targets: list) -> float:
    number = len(probabilities[0])
    classes, confusion = [str(label) for label in range(number)], np.eye(number, dtype=int)
    return rewards.score(["auc"], classes, confusion, probabilities, targets)["auc"]["all"]


def binary(scores: list[float], targets: list[int]) -> float:
    return area([[1 - score, score] for score in scores], targets)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("top1", 13 / 20),
        ("mean_class_accuracy", (6 / 8 + 3 / 4 + 4 / 8) / 3),
        ("macro_f1", (12 / 19 + 6 / 9 + 8 / 12) / 3),
        ("mean_iou", (6 / 13 + 3 / 6 + 4 / 8) / 3),
    ],
)
def test_scores_of_the_whole_set_follow_their_definitions(name: str, expected: float) -> None:
    assert whole(name) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["top1", "mean_class_accuracy", "macro_f1", "mean_iou"])
def test_an_empty_set_has_no_score(name: str) -> None:
    assert math.isnan(whole(name, EMPTY))


def test_means_leave_out_classes_without_a_score() -> None:
    without_owl = [[6, 2, 0], [1, 3, 0], [0, 0, 0]]
    assert whole("mean_class_accuracy", without_owl) == pytest.approx((6 / 8 + 3 / 4) / 2)
    # An owl is predicted where there is none: F1 and IoU are 0, and there is no accuracy.
    seen_owl = [[6, 1, 1], [1, 3, 0], [0, 0, 0]]
    assert whole("mean_iou", seen_owl) == pytest.approx((6 / 9 + 3 / 5) / 3)
    assert whole("mean_class_accuracy", seen_owl) == pytest.approx((6 / 8 + 3 / 4) / 2)


@pytest.mark.parametrize(
    ("scores", "targets", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 3 / 4),
        ([0.1, 0.2, 0.7, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.7, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        # Equal scores count half.
        ([0.5, 0.5, 0.5], [0, 1, 0], 0.5),
        # Pairs: 0.3 against 0.3 and 0.1 is 1.5, 0.6 against both is 2, of 4.
        ([0.3, 0.1, 0.3, 0.6], [0, 0, 1, 1], 3.5 / 4),
    ],
)
def test_the_area_counts_pairs_in_order(
    scores: list[float], targets: list[int], expected: float
) -> None:
    assert binary(scores, targets) == pytest.approx(expected)


def test_of_two_classes_the_second_is_the_positive_one() -> None:
    # Where the first column is not 1 less the second, it is not looked at.
    assert area([[0.0, 0.2], [0.0, 0.6]], [0, 1]) == 1.0


@pytest.mark.parametrize("targets", [[0, 0], [1, 1]])
def test_the_area_of_one_class_is_not_defined(targets: list[int]) -> None:
    assert math.isnan(binary([0.2, 0.8], targets))


PROBABILITIES = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.5, 0.1, 0.4]]


def test_of_several_classes_each_stands_against_the_others() -> None:
    # Class 0: 0.6 and 0.3 against 0.2 and 0.5, 3 of 4 pairs. Class 1: 0.5 against 0.3, 0.4, 0.1,
    # all 3. Class 2: 0.4 against 0.1, 0.3, 0.3, all 3.
    assert area(PROBABILITIES, [0, 1, 0, 2]) == pytest.approx((3 / 4 + 1 + 1) / 3)


def test_a_class_that_does_not_occur_is_left_out_of_the_mean() -> None:
    changed = [*PROBABILITIES[:3], [0.1, 0.5, 0.4]]
    # Class 0: 0.6 and 0.3 are above 0.2, and 0.1 is not. Class 1: 0.5 is above 0.3 and 0.4, and
    # equal to 0.5. No sample is of class 2.
    assert area(changed, [0, 1, 0, 0]) == pytest.approx((2 / 3 + 2.5 / 3) / 2)


def test_the_area_does_not_depend_on_the_order_of_the_samples() -> None:
    rng = np.random.default_rng(0)
    given, targets = rng.random((50, 3)).round(1), rng.integers(0, 3, 50)
    order = rng.permutation(50)
    first, second = area(given.tolist(), targets), area(given[order].tolist(), targets[order])
    assert first == pytest.approx(second)


def test_the_known_metrics_and_what_they_declare() -> None:
    known = {metric.name: (metric.scope, metric.needs) for metric in rewards.metrics()}
    assert known == {
        "f1": ("class", "confusion"),
        "iou": ("class", "confusion"),
        "accuracy": ("class", "confusion"),
        "top1": ("set", "confusion"),
        "mean_class_accuracy": ("set", "confusion"),
        "macro_f1": ("set", "confusion"),
        "mean_iou": ("set", "confusion"),
        "auc": ("set", "probabilities"),
        "far": ("set", "confusion"),
        "frr": ("set", "confusion"),
        "hter": ("set", "confusion"),
        "apcer": ("set", "confusion"),
        "bpcer": ("set", "confusion"),
        "acer": ("set", "confusion"),
        "false_omission_rate": ("set", "confusion"),
        "false_discovery_rate": ("set", "confusion"),
        "for_fdr_mean": ("set", "confusion"),
        "eer": ("set", "probabilities"),
        "tpr_at_fpr_1e2": ("set", "probabilities"),
        "tpr_at_fpr_1e3": ("set", "probabilities"),
        "tpr_at_fpr_1e4": ("set", "probabilities"),
    }
    of_errors = {metric.name for metric in rewards.metrics() if not metric.larger_is_better}
    assert of_errors == set(list(known)[8:18])
    assert rewards.metric("iou").label == "IoU"


def test_a_metric_of_a_user_is_scored_beside_the_built_in_ones() -> None:
    @rewards.register_metric(label="share of a class", scope="class")
    def share(confusion):
        return confusion.sum(axis=1) / confusion.sum()

    assert rewards.metrics()[-1] is share is rewards.metric("share")
    scores = rewards.score(["share", "top1"], CLASSES, CONFUSION)
    assert scores == {
        "share": {"cat": 0.4, "dog": 0.2, "owl": 0.4},
        "top1": {"all": pytest.approx(0.65)},
    }


def test_a_metric_is_found_by_its_import_path() -> None:
    found = rewards.metric(f"{FILE}:half")
    assert (found.name, found.label, found.larger_is_better) == ("half", "half", False)
    assert rewards.score([f"{FILE}:half"], CLASSES, CONFUSION) == {"half": {"all": 0.5}}


def test_other_processes_are_told_where_a_metric_is() -> None:
    rewards.registry._METRICS.register()(half)
    assert rewards.metric_address("half") == rewards.metric_address(half) == f"{FILE}:half"
    assert rewards.metric_address("auc") == "auc"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("f2", "there is no metric 'f2'; choose one of f1, iou"),
        ("math:sqrt", "the metric 'math:sqrt' must be declared with rewards.register_metric"),
        ("no_such_module:own", "no_such_module cannot be imported"),
    ],
)
def test_what_is_no_metric_is_refused(name: str, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        rewards.metric(name)
    with pytest.raises(RewardError, match="there is no metric 'f2'"):
        rewards.metric_address("f2")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"name": "f1"}, "there is a metric 'f1' already"),
        ({"name": "a b"}, "letters, digits and underscores, unlike 'a b'"),
        ({"scope": "image"}, "scope of the metric 'own' must be class or set, not 'image'"),
        ({"needs": "logits"}, "needs of the metric 'own' must be confusion or probabilities, not"),
    ],
)
def test_a_wrong_declaration_is_refused(declaration: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rewards.register_metric(**({"name": "own", "label": "own"} | declaration))(lambda c: 0.0)


@pytest.mark.parametrize(
    ("scope", "value", "message"),
    [
        ("class", [0.5, 0.5], r"'own' must give 3 scores, and gave an array of shape \(2,\)"),
        ("class", 0.5, r"'own' must give 3 scores, and gave an array of shape \(\)"),
        ("set", [0.5], r"'own' must give one score, and gave an array of shape \(1,\)"),
    ],
)
def test_another_number_of_scores_is_refused(scope: str, value: object, message: str) -> None:
    rewards.register_metric(name="own", label="own", scope=scope)(lambda confusion: value)
    with pytest.raises(RewardError, match=message):
        rewards.score(["own"], CLASSES, CONFUSION)


def test_without_probabilities_a_metric_that_needs_them_is_refused() -> None:
    with pytest.raises(RewardError, match="the metric 'auc' needs the probabilities of the class"):
        rewards.score(["f1", "auc"], CLASSES, CONFUSION)


@pytest.mark.parametrize(
    ("probabilities", "targets", "message"),
    [
        ([[0.5, 0.5]], [0], r"must have shape N×3 and targets N, not \(1, 2\) and \(1,\)"),
        ([[0.5, 0.2, 0.3]], [0, 1], r"not \(1, 3\) and \(2,\)"),
        ([[0.5, math.nan, 0.3]], [0], "probabilities must be finite"),
        ([[0.5, 0.2, 0.3]], [3], "targets must be class indices from 0 to 2"),
        ([[0.5, 0.2, 0.3]], [0.5], "targets must be class indices from 0 to 2"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(
    probabilities: list, targets: list, message: str
) -> None:
    with pytest.raises(RewardError, match=message):
        rewards.score(["auc"], CLASSES, CONFUSION, probabilities, targets)
