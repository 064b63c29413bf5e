"""The built-in metrics.

For a class, TP are the samples or pixels that carry it and are predicted as it, FP those that are
only predicted as it, FN those that only carry it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rewards.declaration import declared

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


@declared(label="F1", scope="class")
def f1(confusion: Counts) -> Scores:
    """2TP / (2TP + FP + FN); NaN for a class in neither labels nor predictions."""
    return divide(2 * np.diag(confusion), confusion.sum(axis=1) + confusion.sum(axis=0))


@declared(label="IoU", scope="class")
def iou(confusion: Counts) -> Scores:
    """TP / (TP + FP + FN); NaN for a class in neither labels nor predictions."""
    hits = np.diag(confusion)
    return divide(hits, confusion.sum(axis=1) + confusion.sum(axis=0) - hits)


@declared(label="accuracy", scope="class")
def accuracy(confusion: Counts) -> Scores:
    """TP / (TP + FN), the recall; NaN for a class that no label carries."""
    return divide(np.diag(confusion), confusion.sum(axis=1))


@declared(label="top-1 accuracy")
def top1(confusion: Counts) -> float:
    """Share of the samples or pixels whose class is found."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


@declared(label="mean class accuracy")
def mean_class_accuracy(confusion: Counts) -> float:
    """Mean `accuracy` of the classes that have one."""
    return mean_of_known(accuracy(confusion))


@declared(label="macro F1")
def macro_f1(confusion: Counts) -> float:
    """Mean `f1` of the classes that have one."""
    return mean_of_known(f1(confusion))


@declared(label="mean IoU")
def mean_iou(confusion: Counts) -> float:
    """Mean `iou` of the classes that have one."""
    return mean_of_known(iou(confusion))


@declared(label="AUC", needs="probabilities")
def auc(probabilities: Scores, targets: npt.NDArray[np.int64]) -> float:
    """Area under the ROC curve, by ranks.

    It is the share of pairs of a positive and a negative sample in which the positive one has the
    larger probability; ties count half (Hanley and McNeil 1982,
    https://doi.org/10.1148/radiology.143.1.7063747). Of two classes, the second is the positive
    one. Of more, it is the mean over the classes, each against all others, that have samples on
    both sides.
    """
    number = probabilities.shape[1]
    positives = range(number) if number > 2 else (number - 1,)
    areas = [_area(probabilities[:, label], targets == label) for label in positives]
    return mean_of_known(np.array(areas))


def mean_of_known(values: Scores) -> float:
    """The mean of the values that are numbers; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def divide(numerator: Counts, denominator: Counts) -> Scores:
    """The quotients, NaN where the denominator is 0."""
    quotient = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _area(scores: Scores, positive: npt.NDArray[np.bool_]) -> float:
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # The mean rank of equal scores, counted from 1.
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = float(ranks[places[positive]].sum())
    return (total - ones * (ones + 1) / 2) / (ones * zeros)
