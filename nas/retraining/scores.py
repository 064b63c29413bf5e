"""Scores of a trained network on the splits that are reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from nas.files import finite_only
from nas.tasks import ClassificationTask, Task
from nas.training.classification.scoring import score_classifier
from nas.training.fitting import score_network
from nas.training.scoring import Scores
from rewards import RewardError

Quality = Callable[[Scores], float]
"""What a reward makes of the scores by class."""
SPLITS = ("validation", "test")


def scores_of(
    network: nn.Module, task: Task, device: torch.device, quality: Quality | None = None
) -> dict[str, dict[str, Any]]:
    """Scores a network, already in evaluation mode, on the validation and the test split.

    Args:
        network: Gives the logits of normalised images.
        task: The data.
        device: Where the images are put for it.
        quality: The reward's quality, if there is a reward.

    Returns:
        By split: quality (None without a reward), macro (means over the classes), groups, and
        metric by class; None where a class occurs nowhere.
    """
    record = _classifier if isinstance(task, ClassificationTask) else _segmentation
    return {split: record(network, task, split, device, quality) for split in SPLITS}


def _segmentation(
    network: nn.Module, task: Any, split: str, device: torch.device, quality: Quality | None
) -> dict[str, Any]:
    card = score_network(network, task, split, device)
    return _record(card.scores, card.macro, card.groups, quality)


def _classifier(
    network: nn.Module, task: Any, split: str, device: torch.device, quality: Quality | None
) -> dict[str, Any]:
    card = score_classifier(network, task, split, device)
    macro = {"f1": card.macro_f1, "accuracy": card.mean_class_accuracy, "top1": card.accuracy}
    return _record(card.scores, macro, {}, quality)


def _record(
    scores: Scores, macro: dict[str, float], groups: dict[str, float], quality: Quality | None
) -> dict[str, Any]:
    record: dict[str, Any] = finite_only(
        {
            "quality": _quality_if_known(scores, quality),
            "macro": macro,
            "groups": groups,
            **scores,
        }
    )
    return record


def _quality_if_known(scores: Scores, quality: Quality | None) -> float | None:
    if quality is None:
        return None
    try:
        return quality(scores)
    except RewardError:
        # The split has none of the reward classes, which is no reason to lose the other scores.
        return None
