"""Weights of the classes in a cross-entropy."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

ClassWeights = Literal["equal", "balanced"]

_MOST = 2**24
"""Labels that are counted at once."""


def balanced_weights(targets: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Weights that rise with the rarity of a class.

    The weight is the inverse square root of a class's share of the labels, scaled so that the
    mean over labels is 1: equal weights leave classes of a few pixels unlearned for many epochs,
    fully inverse ones let them swallow their surroundings. A class without labels gets 0.

    Args:
        targets: Class of every pixel or image, any shape.
        num_classes: Number of classes.
        ignore_index: Labels of this class are ignored.
    """
    found = torch.zeros(num_classes, dtype=torch.long, device=targets.device)
    for part in targets.split(max(1, _MOST // max(1, targets[:1].numel()))):
        labels = part.reshape(-1)
        if labels.dtype != torch.uint8:
            labels = labels[labels != ignore_index]
        # Bytes are counted as they are: to leave some out takes 20 times as long.
        found += torch.bincount(labels, minlength=num_classes)[:num_classes]
    if 0 <= ignore_index < num_classes:
        found[ignore_index] = 0
    counts = found.double()
    shares = counts / counts.sum().clamp(min=1)
    weights = torch.where(shares > 0, shares.clamp(min=1e-12).rsqrt(), torch.zeros_like(shares))
    return (weights / (weights * shares).sum().clamp(min=1e-12)).float()


def class_weights(
    choice: ClassWeights,
    targets: Tensor,
    num_classes: int,
    ignore_index: int,
    device: torch.device,
) -> Tensor | None:
    """Weights of the classes of a split, or None for equal ones; see `balanced_weights`."""
    if choice == "equal":
        return None
    return balanced_weights(targets, num_classes, ignore_index).to(device)
