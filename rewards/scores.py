"""Scores of predictions, by class and over the whole set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rewards.built_in import divide, mean_of_known
from rewards.confusion import check_confusion
from rewards.errors import RewardError
from rewards.figures import known
from rewards.registry import metric

Member = str | Sequence[str]

_BY_CLASS = ("f1", "iou", "accuracy")


def score(
    metrics: Iterable[str],
    classes: Sequence[str],
    confusion: npt.ArrayLike,
    probabilities: npt.ArrayLike | None = None,
    targets: npt.ArrayLike | None = None,
) -> dict[str, dict[str, float]]:
    """Scores predictions by several metrics.

    Args:
        metrics: Names of metrics, or their import paths.
        classes: The C names.
        confusion: Counts, C×C, rows are labels and columns predictions.
        probabilities: Of the classes, N×C; for metrics that need them.
        targets: The true classes, N; for the same metrics.

    Returns:
        The scores by metric: by class for a metric that scores every class, under ``all`` for one
        over the whole set. NaN where it is not defined.

    Raises:
        RewardError: If there is no such metric, it needs probabilities and there are none, or the
            shapes do not fit each other.
    """
    matrix = _matrix(confusion, classes)
    result = {}
    for found in map(metric, metrics):
        if found.needs == "confusion":
            result[found.name] = found.by_key(classes, matrix)
        elif probabilities is None or targets is None:
            raise RewardError(
                f"the metric {found.name!r} needs the probabilities of the classes, which are not "
                "at hand here; choose another one."
            )
        else:
            pair = _probabilities(probabilities, targets, len(classes))
            result[found.name] = found.by_key(classes, *pair)
    return result


def class_scores(confusion: npt.ArrayLike, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Scores every class by "f1", "iou" and "accuracy", see `score`."""
    return score(_BY_CLASS, classes, confusion)


def macro(scores: Mapping[str, float]) -> float:
    """The mean over the classes that have a score; NaN if none has.

    Args:
        scores: Score by class name, NaN where there is none.
    """
    return mean_of_known(np.array(list(scores.values()), dtype=np.float64))


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
    iou = divide(hits, labels + predictions - hits)
    accuracy = divide(hits, labels)
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


def _probabilities(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, number: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    given, true = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    if given.ndim != 2 or given.shape[1] != number or true.shape != given.shape[:1]:
        raise RewardError(
            f"probabilities must have shape N×{number} and targets N, not {given.shape} and "
            f"{true.shape}."
        )
    if not np.isfinite(given).all():
        raise RewardError("probabilities must be finite.")
    if not np.issubdtype(true.dtype, np.integer) or ((true < 0) | (true >= number)).any():
        raise RewardError(f"targets must be class indices from 0 to {number - 1}.")
    return given, true.astype(np.int64)


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
