"""Weights of the classes in a cross-entropy."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

ClassWeights = Literal["equal", "balanced"]

_CHUNK = 512


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
    # Not all at once: numbers of 64 bits for every pixel take eight times the memory of the masks.
    for part in targets.split(_CHUNK):
        labels = part.reshape(-1).long()
        found += torch.bincount(labels[labels != ignore_index], minlength=num_classes)
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
