"""Losses on how the samples of a batch relate to each other.

Student and teacher may differ in everything but the batch. A batch of one has no relations: it
gives 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from nas.distillation.base import DistillationLoss, LossInfo
from nas.distillation.inputs import require_equal_batches
from nas.distillation.options import require_not_negative, require_one_of

_ORDERS = {"l2": 2.0, "l1": 1.0}


class Similarity(DistillationLoss):
    """Similarity-preserving distillation (Tung and Mori 2019, https://arxiv.org/abs/1907.09682).

    The Gram matrix of the samples, N x N, with rows scaled to norm 1: mean squared difference.

    Args:
        norm: Of the rows. ``l2`` is the paper's; ``l1`` is found in several public codes and is
            here to compare with them.
    """

    info = LossInfo(
        name="similarity",
        compares=("features",),
        summary="which samples of the batch resemble each other",
        paper="Tung and Mori 2019, Similarity-Preserving Knowledge Distillation",
        link="https://arxiv.org/abs/1907.09682",
        # Tian et al. 2020, https://arxiv.org/abs/1910.10699, and the code beside it.
        weight=3000.0,
        balance=0.5,
        place="two_last",
        equal_sizes=False,
        adapter="none",
    )

    def __init__(self, norm: Literal["l2", "l1"] = "l2"):
        super().__init__()
        require_one_of("norm", norm, tuple(_ORDERS))
        self.norm = norm

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for features N x anything."""
        require_equal_batches(student, teacher)
        order = _ORDERS[self.norm]
        return functional.mse_loss(similarities(student, order), similarities(teacher, order))


class RKD(DistillationLoss):
    """Relational distillation (Park et al. 2019, https://arxiv.org/abs/1904.05068).

    Huber loss between the distances of all pairs, relative to their mean, and between the
    cosines of the angles of all triplets. Meant for embeddings N x D: the angles of larger
    features take N² x D numbers.

    Args:
        distance_weight: Weight of the distances, from 0.
        angle_weight: Weight of the angles, from 0.
    """

    info = LossInfo(
        name="rkd",
        compares=("features",),
        summary="distances of pairs and angles of triplets of samples",
        paper="Park et al. 2019, Relational Knowledge Distillation",
        link="https://arxiv.org/abs/1904.05068",
        # Tian et al. 2020, https://arxiv.org/abs/1910.10699, and the code beside it.
        weight=1.0,
        balance=0.5,
        place="penultimate",
        equal_sizes=False,
        adapter="none",
    )

    def __init__(self, distance_weight: float = 25.0, angle_weight: float = 50.0):
        super().__init__()
        require_not_negative("distance_weight", distance_weight)
        require_not_negative("angle_weight", angle_weight)
        self.distance_weight = distance_weight
        self.angle_weight = angle_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for features N x anything."""
        require_equal_batches(student, teacher)
        student, teacher = student.flatten(1), teacher.flatten(1)
        lengths, their_lengths = _distances(student), _distances(teacher)
        distance = functional.smooth_l1_loss(_relative(lengths), _relative(their_lengths))
        angle = functional.smooth_l1_loss(
            _angles(student, lengths), _angles(teacher, their_lengths)
        )
        return self.distance_weight * distance + self.angle_weight * angle


def similarities(features: Tensor, order: float) -> Tensor:
    """The Gram matrix of the samples, N x N, with rows scaled to norm 1 of an order."""
    rows = features.flatten(1)
    return functional.normalize(rows @ rows.T, p=order, dim=1)


def _distances(rows: Tensor) -> Tensor:
    """Distances of all pairs, N x N."""
    # Distances by matrix products lose the small ones between large points to rounding.
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def _relative(distances: Tensor) -> Tensor:
    """Distances relative to the mean of those that are not 0."""
    mean = distances.sum() / (distances > 0).sum().clamp(min=1)
    # Rows that are all equal have mean 0.
    return distances / mean.clamp(min=torch.finfo(mean.dtype).tiny)


def _angles(rows: Tensor, distances: Tensor) -> Tensor:
    """Cosines of the angles at the first of three samples, N x N x N; 0 where two coincide."""
    differences = rows[None] - rows[:, None]
    # Rows coincide where squares underflow. No small divisor there: it would turn the gradient
    # into noise.
    smallest = torch.finfo(distances.dtype).tiny ** 0.5
    lengths = distances.masked_fill(distances < smallest, 1)
    # Scaled after the product: that has N numbers for a pair, a difference as many as features.
    return differences @ differences.mT / (lengths[:, :, None] * lengths[:, None, :])
