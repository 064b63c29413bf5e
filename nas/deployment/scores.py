"""Scores of a trained network on the splits that are reported."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nas.files import finite_only
from nas.kinds.registry import kind_of
from nas.tasks import Task
from nas.training.scoring import ScoreCard, Scores
from rewards import Reward, RewardError

SPLITS = ("validation", "test")


def scores_of(
    network: nn.Module, task: Task, device: torch.device, reward: Reward | None = None
) -> dict[str, dict[str, Any]]:
    """Scores a network, already in evaluation mode, on the validation and the test split.

    Args:
        network: Gives the logits of normalised images.
        task: The data.
        device: Where the images are put for it.
        reward: Makes the quality of the scores, if there is one.

    Returns:
        By split: quality (None without a reward), macro (means over the classes), groups, and
        metric by class; None where a class occurs nowhere. Of the test split, the same at the
        images' own size is ``own_size``, where that is not the size that the network takes.
    """
    return {split: _scores_on(split, network, task, device, reward) for split in SPLITS}


def _scores_on(
    split: str, network: nn.Module, task: Task, device: torch.device, reward: Reward | None
) -> dict[str, Any]:
    kind = kind_of(task)
    record = _record(kind.score(network, task, split, device), task, reward)
    if split == "test":
        own = kind.score_at_own_size(network, task, split, device)
        if own is not None:
            record["own_size"] = _record(own, task, reward)
    return record


def _record(card: ScoreCard, task: Task, reward: Reward | None) -> dict[str, Any]:
    if reward is not None:
        card = card.scored_by(reward.metric, task.classes)
    record: dict[str, Any] = finite_only(
        {
            "quality": _quality_if_known(card.scores, reward),
            "macro": card.macro,
            "groups": card.groups,
            **card.scores,
        }
    )
    return record


def _quality_if_known(scores: Scores, reward: Reward | None) -> float | None:
    if reward is None:
        return None
    try:
        return reward.quality(scores)
    except RewardError:
        # The split has none of the reward classes, which is no reason to lose the other scores.
        return None
