"""Scores of a network on a split, at the masks' own resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import rewards
from nas.errors import UserError
from nas.models.segmentation import resize
from nas.tasks import SegmentationTask
from nas.training.images import Normaliser
from nas.training.scoring import ScoreCard, predict
from nas.training.views import ViewsName


def score_masks(
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
    macro = {metric: rewards.macro(values) for metric, values in scores.items()}
    return ScoreCard(
        scores=scores,
        macro=macro,
        figures={
            "mean_iou": macro["iou"],
            "macro_f1": macro["f1"],
            "accuracy": float(np.trace(counts) / max(1, counts.sum())),
        },
        groups=rewards.group_scores(counts, classes, groups),
        confusion=counts,
    )


def score_network(
    network: Callable[[Tensor], Tensor],
    task: SegmentationTask,
    split: str,
    device: torch.device,
    views: ViewsName = "none",
    batch_size: int = 32,
) -> ScoreCard:
    """Scores a network, already in evaluation mode, on a split of a task.

    Args:
        network: Gives the logits of normalised images.
        task: The data.
        split: train, validation or test.
        device: Where the images are put for it.
        views: ``none``, or ``flip``: the mean over each image and its mirror image, whose logits
            are mirrored back, with the classes swapped that mirroring swaps.
        batch_size: Images of a forward pass.

    Raises:
        UserError: If the views are not defined for masks.
    """
    if views not in ("none", "flip"):
        raise UserError(f"views {views!r} are not defined for segmentation; use flip.")
    data = task.dataset(split)
    normalise = Normaliser(task.mean, task.std)
    forward = network if views == "none" else _both_ways(network, _swapped(task))
    logits = predict(lambda images: forward(normalise(images, device)), data.images, batch_size)
    return score_masks(logits, data.targets, task.classes, task.ignore_index, task.groups)


def _both_ways(network: Callable[[Tensor], Tensor], swapped: list[int]) -> Callable[..., Tensor]:
    def mean(images: Tensor) -> Tensor:
        return (network(images) + network(images.flip(-1)).flip(-1)[:, swapped]) / 2

    return mean


def _swapped(task: SegmentationTask) -> list[int]:
    """The class that each class becomes in a mirrored image."""
    order = list(range(len(task.classes)))
    for first, second in task.pairs:
        order[first], order[second] = second, first
    return order
