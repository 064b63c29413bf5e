"""Losses on the distribution of features, by maximum mean discrepancy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas.distillation.base import DistillationLoss, LossInfo
from nas.distillation.inputs import (
    pool_to_smaller,
    require_equal_batches,
    require_equal_shapes,
    require_maps,
)

_KERNELS = 5


class MMD(DistillationLoss):
    """Maximum mean discrepancy of two batches under five Gaussians.

    Each sample is a point. The kernels exp(-distance² / b) are summed over five bandwidths b,
    each twice the one before, around the mean squared distance of all pairs; the biased estimate
    of Gretton et al. 2012 (https://jmlr.org/papers/v13/gretton12a.html) with the kernels of
    Long et al. 2015 (https://arxiv.org/abs/1502.02791). It is 0 where all points coincide and
    no bandwidth is defined.
    """

    info = LossInfo(
        name="mmd",
        compares=("features",),
        summary="maximum mean discrepancy of the samples under five Gaussians",
        paper="Gretton et al. 2012, A Kernel Two-Sample Test",
        link="https://jmlr.org/papers/v13/gretton12a.html",
        # None is published for this form: equal to the cross-entropy.
        weight=1.0,
        balance=0.5,
        place="penultimate",
    )

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for features N x anything of equal shape."""
        require_equal_batches(student, teacher)
        require_equal_shapes(student, teacher)
        count = len(student)
        points = torch.cat([student.flatten(1), teacher.flatten(1)])
        kernel = _gaussians(_squared_distances(points))
        within = kernel[:count, :count] + kernel[count:, count:]
        across = kernel[:count, count:] + kernel[count:, :count]
        return (within - across).mean()


class NST(DistillationLoss):
    """Neuron selectivity transfer (Huang and Wang 2017, https://arxiv.org/abs/1707.01219).

    Each channel of a sample is a point: its map, scaled to norm 1. Squared maximum mean
    discrepancy under the polynomial kernel (x·y)². Channels may differ in number; of maps of
    unequal size the larger is averaged down first.
    """

    info = LossInfo(
        name="nst",
        compares=("features",),
        summary="maximum mean discrepancy of the channels under a polynomial kernel",
        paper=(
            "Huang and Wang 2017, Like What You Like: Knowledge Distill via Neuron Selectivity "
            "Transfer"
        ),
        link="https://arxiv.org/abs/1707.01219",
        # Tian et al. 2020, https://arxiv.org/abs/1910.10699, and the code beside it.
        weight=50.0,
        balance=0.5,
        maps_only=True,
        equal_sizes=False,
        adapter="none",
    )

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for maps N x any channels x any height x any width."""
        require_maps(student, teacher)
        student, teacher = pool_to_smaller(student, teacher)
        student = functional.normalize(student.flatten(2), dim=2)
        teacher = functional.normalize(teacher.flatten(2), dim=2)
        within = _mean_kernel(student, student) + _mean_kernel(teacher, teacher)
        return within - 2 * _mean_kernel(student, teacher)


def _squared_distances(points: Tensor) -> Tensor:
    # Distances by matrix products lose the small ones between large points to rounding.
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()


def _gaussians(squared_distances: Tensor) -> Tensor:
    """The sum of the five kernels for every pair."""
    count = len(squared_distances)
    with torch.no_grad():
        mean = squared_distances.sum() / (count**2 - count)
        smallest = mean / 2 ** (_KERNELS // 2)
        # Points that coincide have distance and bandwidth 0: every kernel is then 1.
        smallest = smallest.clamp(min=torch.finfo(mean.dtype).tiny)
    kernel = torch.exp(-squared_distances / smallest)
    for doublings in range(1, _KERNELS):
        kernel = kernel + torch.exp(-squared_distances / (smallest * 2**doublings))
    return kernel


def _mean_kernel(first: Tensor, second: Tensor) -> Tensor:
    """The mean of (x·y)² over all pairs of rows of N x rows x positions, and over N."""
    pairs = first.shape[1] * second.shape[1]
    if first.shape[2] < min(first.shape[1], second.shape[1]):
        # The same sum from positions x positions: deep maps have many channels, few positions.
        products = (first.mT @ first) * (second.mT @ second)
        return products.sum(dim=(1, 2)).mean() / pairs
    return (first @ second.mT).square().mean()
