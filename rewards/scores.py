"""Scores of a segmentation, computed from its confusion matrix.

For a class, TP are the pixels that carry it and are predicted as it, FP those that are only
predicted as it, FN those that only carry it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rewards.confusion import check_confusion
from rewards.errors import RewardError
from rewards.figures import known

METRICS = ("f1", "iou", "accuracy")

Member = str | Sequence[str]


def class_scores(confusion: npt.ArrayLike, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Scores every class.

    Args:
        confusion: Counts, C×C, rows are labels and columns predictions.
        classes: The C names.

    Returns:
        For each of "f1" (2TP / (2TP + FP + FN)), "iou" (TP / (TP + FP + FN)) and "accuracy"
        (TP / (TP + FN)) the score by class name, from 0 to 1. A class in neither labels nor
        predictions has NaN; so has the accuracy of a class that no label carries.

    Raises:
        RewardError: If the matrix is not C×C, or a name occurs twice.
    """
    matrix = _matrix(confusion, classes)
    hits = np.diag(matrix)
    labels, predictions = matrix.sum(axis=1), matrix.sum(axis=0)
    values = {
        "f1": _divide(2 * hits, labels + predictions),
        "iou": _divide(hits, labels + predictions - hits),
        "accuracy": _divide(hits, labels),
    }
    return {metric: dict(zip(classes, values[metric].tolist(), strict=True)) for metric in METRICS}


def macro(scores: Mapping[str, float]) -> float:
    """The mean over the classes that have a score; NaN if none has.

    Args:
        scores: Score by class name, NaN where there is none.
    """
    values = np.array(list(scores.values()), dtype=np.float64)
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


def group_scores(
    confusion: npt.ArrayLike,
    classes: Sequence[str],
    groups: Mapping[str, Sequence[Member]],
) -> dict[str, float]:
    """F1 of groups of classes, a micro average: 2ΣTP / (2ΣTP + ΣFP + ΣFN) over the members.

    Args:
        confusion: Counts, C×C, rows are labels and columns predictions.
        classes: The C names.
        groups: Members of each group. A member is a class, or a list of classes that are
            merged into one before scoring, so that errors among them do not count.

    Returns:
        F1 by group, NaN for one in neither labels nor predictions.

    Raises:
        RewardError: If a group is empty, or names an unknown class or the same class twice.
    """
    matrix = _matrix(confusion, classes)
    return {name: _group_f1(matrix, classes, name, group) for name, group in groups.items()}


def fastnas_quality(confusion: npt.ArrayLike, background: int | None = None) -> float:
    """The quality of FastNAS: (mean IoU · mean accuracy · frequency-weighted IoU)^(1/3).

    Means are over the classes in labels or predictions (accuracy: in labels); the weight of
    a class is its share of the labelled pixels. See Nekrasov et al., CVPR 2019,
    https://arxiv.org/abs/1810.10804.

    Args:
        confusion: Counts, C×C, rows are labels and columns predictions.
        background: Index of a class that is left out of the averages, or None.

    Raises:
        RewardError: If no class is left to score, or the background is not a class index.
    """
    matrix = check_confusion(confusion)
    counted = np.ones(len(matrix), dtype=bool)
    if background is not None:
        if not 0 <= background < len(matrix):
            raise RewardError(
                f"background {background} is not a class index; expected 0 to {len(matrix) - 1}."
            )
        counted[background] = False
    hits = np.diag(matrix)[counted]
    labels, predictions = matrix.sum(axis=1)[counted], matrix.sum(axis=0)[counted]
    if not labels.any():
        raise RewardError("no labelled pixel is left to compute a quality from.")
    iou = _divide(hits, labels + predictions - hits)
    accuracy = _divide(hits, labels)
    weighted = np.nansum(iou * labels) / labels.sum()
    return float(np.cbrt(np.nanmean(iou) * np.nanmean(accuracy) * weighted))


def _matrix(confusion: npt.ArrayLike, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    matrix = check_confusion(confusion)
    if len(matrix) != len(classes):
        raise RewardError(
            f"the confusion matrix counts {len(matrix)} classes but {len(classes)} are named."
        )
    if len(set(classes)) != len(classes):
        raise RewardError(f"a class is named twice: {', '.join(classes)}.")
    return matrix


def _divide(
    numerator: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    quotient = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _group_f1(
    matrix: npt.NDArray[np.int64], classes: Sequence[str], name: str, group: Sequence[Member]
) -> float:
    hits, total = 0, 0
    for member in _member_indices(classes, name, group):
        hits += int(matrix[np.ix_(member, member)].sum())
        total += int(matrix[member].sum() + matrix[:, member].sum())
    return 2 * hits / total if total else float("nan")


def _member_indices(
    classes: Sequence[str], name: str, group: Sequence[Member]
) -> Iterator[list[int]]:
    members = [[member] if isinstance(member, str) else list(member) for member in group]
    if not members or not all(members):
        raise RewardError(f"group {name!r} has no classes or an empty member.")
    flat = [label for member in members for label in member]
    for label in flat:
        known(label, classes, f"class in group {name!r}:")
    if len(set(flat)) != len(flat):
        raise RewardError(f"group {name!r} names a class twice: {', '.join(flat)}.")
    return ([classes.index(label) for label in member] for member in members)
