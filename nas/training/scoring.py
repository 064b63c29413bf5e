"""Scores of a network on a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import rewards

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
        probabilities: Of the classes, N x classes, where images have one class; None for pixels,
            which are too many.
        targets: The true classes, N, beside the probabilities.
    """

    scores: Scores
    macro: dict[str, float]
    figures: dict[str, float]
    confusion: np.ndarray
    groups: dict[str, float] = field(default_factory=dict)
    probabilities: np.ndarray | None = field(default=None, compare=False, repr=False)
    targets: np.ndarray | None = field(default=None, compare=False, repr=False)

    def scored_by(self, metric: str, classes: Sequence[str]) -> ScoreCard:
        """The card with the scores of a metric, which may be a user's own.

        Args:
            metric: Its name or import path.
            classes: Names of the classes.

        Raises:
            RewardError: If there is no such metric, or it needs probabilities and there are none.
        """
        if rewards.metric(metric).name in self.scores:
            return self
        observed = (self.confusion, self.probabilities, self.targets)
        found = rewards.score([metric], classes, *observed)
        return replace(self, scores={**self.scores, **found})

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
