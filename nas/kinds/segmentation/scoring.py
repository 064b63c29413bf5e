"""Scores of a network on a split, at the task's size or at that of each mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
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
    return _scored(logits, masks, classes, ignore_index, groups)


def _scored(
    logits: Iterable[Tensor],
    masks: Iterable[Tensor],
    classes: Sequence[str],
    ignore_index: int,
    groups: Mapping[str, Any],
) -> ScoreCard:
    """Scores as `score_masks` does, against masks that may each have a size of its own."""
    meter = rewards.SegmentationMeter(len(classes), ignore_index)
    left = iter(masks)
    for batch in logits:
        targets = list(islice(left, len(batch)))
        for start, stop in _of_one_size(targets):
            target = torch.stack(targets[start:stop])
            found = resize(batch[start:stop].float(), target.shape[-2:]).argmax(dim=1)
            meter.update(found.cpu().numpy(), target.cpu().numpy())
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


def _of_one_size(masks: Sequence[Tensor]) -> Iterator[tuple[int, int]]:
    """First and behind the last of each row of masks of the same size."""
    start = 0
    for _, row in groupby(masks, key=lambda mask: mask.shape):
        stop = start + len(list(row))
        yield start, stop
        start = stop


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
    data = task.dataset(split)
    logits = _logits(network, task, split, device, views, batch_size)
    return score_masks(logits, data.targets, task.classes, task.ignore_index, task.groups)


def score_at_own_size(
    network: Callable[[Tensor], Tensor],
    task: SegmentationTask,
    split: str,
    device: torch.device,
    views: ViewsName = "none",
    batch_size: int = 32,
) -> ScoreCard | None:
    """Scores a network against the masks as they are stored, as benchmarks do.

    The network sees images of the task's size; its logits are brought to the size of each mask.

    Args:
        network: Gives the logits of normalised images, in evaluation mode.
        task: The data.
        split: train, validation or test.
        device: Where the images are put for it.
        views: As for `score_network`.
        batch_size: Images of a forward pass.

    Returns:
        The scores; None where all masks are stored at the task's size.

    Raises:
        UserError: If a mask cannot be read, or the views are not defined for masks.
    """
    masks = task.sources[split].stored_masks()
    if masks is None:
        return None
    logits = _logits(network, task, split, device, views, batch_size)
    return _scored(logits, masks, task.classes, task.ignore_index, task.groups)


def _logits(
    network: Callable[[Tensor], Tensor],
    task: SegmentationTask,
    split: str,
    device: torch.device,
    views: ViewsName,
    batch_size: int,
) -> Iterable[Tensor]:
    if views not in ("none", "flip"):
        raise UserError(f"views {views!r} are not defined for segmentation; use flip.")
    normalise = Normaliser(task.mean, task.std)
    forward = network if views == "none" else _both_ways(network, _swapped(task))
    images = task.dataset(split).images
    return predict(lambda batch: forward(normalise(batch, device)), images, batch_size)


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
