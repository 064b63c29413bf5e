from __future__ import annotations

import numpy as np
import pytest

from rewards import RewardError, SegmentationMeter


def test_rows_are_labels_and_columns_are_predictions() -> None:
    meter = SegmentationMeter(3)
    meter.update(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]))
    assert meter.confusion.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert meter.confusion.dtype == np.int64


def test_batches_accumulate() -> None:
    meter = SegmentationMeter(2)
    for _ in range(3):
        meter.update(np.array([[0, 1]]), np.array([[1, 1]]))
    assert meter.confusion.tolist() == [[0, 0], [3, 3]]


def test_ignored_labels_are_not_counted_whatever_is_predicted_there() -> None:
    meter = SegmentationMeter(2, ignore_index=255)
    meter.update(np.array([0, 99, 1]), np.array([0, 255, 255]))
    assert meter.confusion.tolist() == [[1, 0], [0, 0]]


def test_small_integer_types_do_not_overflow() -> None:
    meter = SegmentationMeter(200, ignore_index=255)
    meter.update(np.array([199], dtype=np.uint8), np.array([198], dtype=np.uint8))
    assert meter.confusion[198, 199] == 1
    assert meter.confusion.sum() == 1


def test_the_matrix_given_out_is_a_copy() -> None:
    meter = SegmentationMeter(2)
    meter.confusion[0, 0] = 7
    assert meter.confusion.sum() == 0


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        ([0, 1], [0], r"shape \(2,\) and labels \(1,\)"),
        ([0, 2], [0, 0], "prediction 2 is not a class index; expected 0 to 1"),
        ([0, 0], [0, -1], "label -1 is not a class index"),
        ([0.0, 1.0], [0, 1], "predictions must be integers, not float64"),
    ],
)
def test_wrong_arrays_are_refused(
    predictions: list[float], labels: list[int], message: str
) -> None:
    with pytest.raises(RewardError, match=message):
        SegmentationMeter(2).update(np.array(predictions), np.array(labels))


def test_a_wrong_batch_leaves_the_matrix_as_it_was() -> None:
    meter = SegmentationMeter(2)
    with pytest.raises(RewardError):
        meter.update(np.array([0, 5]), np.array([0, 0]))
    assert meter.confusion.sum() == 0


def test_one_class_is_refused() -> None:
    with pytest.raises(RewardError, match="at least 2 classes"):
        SegmentationMeter(1)
