"""Scores of a classifier on a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import rewards
from nas.tasks import ClassificationTask
from nas.tasks.classification.photos import Photos, five_crops
from nas.training.images import Normaliser
from nas.training.scoring import ScoreCard, predict
from nas.training.views import ViewsName, averaged, mean_of


def score_classifier(
    network: nn.Module,
    task: ClassificationTask,
    split: str,
    device: torch.device,
    views: ViewsName = "none",
    batch_size: int = 256,
) -> ScoreCard:
    """Scores a classifier, already in evaluation mode, on a split; nothing in it is random.

    Args:
        network: Gives the logits of normalised images.
        task: The data.
        split: train, validation or test.
        device: Where the network is.
        views: Views of each image whose logits are averaged; ten crops are those of the photos
            where the task keeps them larger.
        batch_size: Images of a forward pass.
    """
    data = task.dataset(split)
    normalise = Normaliser(task.mean, task.std)
    batches: Iterable[Tensor]
    if views == "ten_crop" and data.photos is not None:
        batches = _of_photos(network, data.photos, task, device, max(1, batch_size // 4))
    else:
        forward: Callable[[Tensor], Tensor] = averaged(network, views, task.mirror)
        batches = predict(lambda shown: forward(normalise(shown, device)), data.images, batch_size)
    return score_logits(torch.cat([batch.float().cpu() for batch in batches]), data.targets, task)


def _of_photos(
    network: nn.Module,
    photos: Photos,
    task: ClassificationTask,
    device: torch.device,
    batch_size: int,
) -> Iterator[Tensor]:
    """Mean logits of the crops of photos, whose corners are those of the photos."""
    normalise = Normaliser(task.mean, task.std)
    with torch.inference_mode():
        for rows in torch.arange(len(photos)).split(batch_size):
            crops = five_crops(photos[rows], task.input_size)
            yield mean_of(lambda shown: network(normalise(shown, device)), crops, task.mirror)


def score_logits(logits: Tensor, labels: Tensor, task: ClassificationTask) -> ScoreCard:
    """Scores logits N x classes against labels N."""
    meter = rewards.SegmentationMeter(task.num_classes)
    meter.update(logits.argmax(dim=1).numpy(), labels.numpy())
    counts = meter.confusion
    scores = rewards.class_scores(counts, task.classes)
    chosen = {metric: scores[metric] for metric in ("f1", "accuracy")}
    occurring = counts.sum(axis=1) > 0
    recall = np.diag(counts)[occurring] / counts.sum(axis=1)[occurring]
    figures = {
        "accuracy": float(np.trace(counts) / max(1, counts.sum())),
        "mean_class_accuracy": float(recall.mean()),
        "macro_f1": rewards.macro(scores["f1"]),
        "loss": float(functional.cross_entropy(logits, labels)),
    }
    return ScoreCard(
        scores=chosen,
        macro={
            "f1": figures["macro_f1"],
            "accuracy": figures["mean_class_accuracy"],
            "top1": figures["accuracy"],
        },
        figures=figures,
        confusion=counts,
        probabilities=logits.softmax(dim=1).numpy(),
        targets=labels.numpy(),
    )
