"""Counts of labels against predictions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rewards.errors import RewardError


class SegmentationMeter:
    """Accumulates a confusion matrix over any number of batches.

    Args:
        num_classes: Number of classes, at least 2.
        ignore_index: Label of the pixels that are not scored, or None to score all of them.

    Raises:
        RewardError: If there are fewer than two classes.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = None) -> None:
        if num_classes < 2:
            raise RewardError(f"a meter needs at least 2 classes, not {num_classes}.")
        self._num_classes = num_classes
        self._ignore_index = ignore_index
        self._confusion = np.zeros((num_classes, num_classes), dtype=np.int64)

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """A copy of the matrix so far, C×C: rows are labels, columns predictions."""
        return self._confusion.copy()

    def update(self, predictions: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        """Adds a batch.

        Args:
            predictions: Predicted class indices, integers of any shape.
            labels: True class indices or the ignore index, of the same shape.

        Raises:
            RewardError: If the shapes differ, or a value is not an integer class index.
        """
        predicted, true = np.asarray(predictions), np.asarray(labels)
        if predicted.shape != true.shape:
            raise RewardError(
                f"predictions have shape {predicted.shape} and labels {true.shape}; "
                "they must be equal."
            )
        _check_integers(predicted, "predictions")
        _check_integers(true, "labels")
        if self._ignore_index is not None:
            scored = true != self._ignore_index
            predicted, true = predicted[scored], true[scored]
        self._check_range(predicted, "prediction")
        self._check_range(true, "label")
        # Small integer types would overflow in the product below.
        cells = true.ravel().astype(np.int64) * self._num_classes + predicted.ravel()
        counts = np.bincount(cells, minlength=self._num_classes**2)
        self._confusion += counts.reshape(self._confusion.shape)

    def _check_range(self, values: npt.NDArray[np.integer], what: str) -> None:
        wrong = values[(values < 0) | (values >= self._num_classes)]
        if wrong.size:
            raise RewardError(
                f"{what} {wrong.flat[0]} is not a class index; "
                f"expected 0 to {self._num_classes - 1}."
            )


def _check_integers(values: npt.NDArray[np.generic], what: str) -> None:
    if not np.issubdtype(values.dtype, np.integer):
        raise RewardError(f"{what} must be integers, not {values.dtype}.")


def check_confusion(confusion: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Returns a confusion matrix as int64, C×C.

    Raises:
        RewardError: If it is not a square matrix of counts.
    """
    matrix = np.asarray(confusion)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise RewardError(f"a confusion matrix is square, not of shape {matrix.shape}.")
    _check_integers(matrix, "the counts of a confusion matrix")
    if (matrix < 0).any():
        raise RewardError("a confusion matrix holds no negative counts.")
    return matrix.astype(np.int64)
