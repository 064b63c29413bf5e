"""Scores of a network on a split, at the masks' own resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import rewards
from nas.models.segmentation import resize

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class ScoreCard:
    """Scores of one network on one split.

    Attributes:
        scores: Metric (f1, iou, accuracy), then class; NaN where a class occurs nowhere.
        macro: Mean of each metric over the classes that occur.
        groups: F1 of each class group.
        confusion: Pixels by label (rows) and prediction (columns).
    """

    scores: Scores
    macro: dict[str, float]
    groups: dict[str, float]
    confusion: np.ndarray


def score(
    logits: Iterable[Tensor],
    masks: Tensor,
    classes: Sequence[str],
    ignore_index: int,
    groups: Mapping[str, Any],
) -> ScoreCard:
    """Scores logits against masks.

    Args:
        logits: Batches of N x classes x h x w, in the order of the masks; brought to the masks'
            size before the decision.
        masks: Class of every pixel, N x H x W, on any device.
        classes: Names of the classes.
        ignore_index: Pixels of this class are passed over.
        groups: Names of class groups and their members.
    """
    meter = rewards.SegmentationMeter(len(classes), ignore_index)
    start = 0
    for batch in logits:
        target = masks[start : start + len(batch)]
        predictions = resize(batch.float(), masks.shape[-2:]).argmax(dim=1)
        meter.update(predictions.cpu().numpy(), target.cpu().numpy())
        start += len(batch)
    counts = meter.confusion
    scores = rewards.class_scores(counts, classes)
    return ScoreCard(
        scores=scores,
        macro={metric: rewards.macro(values) for metric, values in scores.items()},
        groups=rewards.group_scores(counts, classes, groups),
        confusion=counts,
    )


def predict(
    forward: Callable[[Tensor], Tensor], inputs: Tensor, batch_size: int = 64
) -> Iterable[Tensor]:
    """Runs a network over inputs in batches, without gradients."""
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            yield forward(inputs[start : start + batch_size])
