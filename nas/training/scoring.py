"""Scores of a network on a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

Scores = dict[str, dict[str, float]]
"""Metric, then class."""


@dataclass(frozen=True)
class ScoreCard:
    """Scores of one network on one split.

    Attributes:
        scores: Metric (f1, iou, accuracy …), then class; NaN where a class occurs nowhere.
        macro: Mean of each metric over the classes that occur.
        figures: Scores over the whole split, by which trainings are monitored and compared.
        confusion: Labels (rows) by prediction (columns).
        groups: F1 of each group of classes.
    """

    scores: Scores
    macro: dict[str, float]
    figures: dict[str, float]
    confusion: np.ndarray
    groups: dict[str, float] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form."""
        record = {**self.figures, "scores": self.scores, "confusion": self.confusion.tolist()}
        return {**record, "groups": self.groups} if self.groups else record


Quality = Callable[[ScoreCard], float]
"""What counts as better, from the scores on the validation split."""


def predict(
    forward: Callable[[Tensor], Tensor], inputs: Tensor, batch_size: int = 64
) -> Iterable[Tensor]:
    """Runs a network over inputs in batches, without gradients."""
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            yield forward(inputs[start : start + batch_size])
