"""Losses on what the networks predict."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas.distillation.base import IGNORED_TARGET, DistillationLoss, LossInfo
from nas.distillation.inputs import require_equal_shapes, require_logits, require_maps
from nas.distillation.options import (
    require_flag,
    require_not_negative,
    require_positive,
    require_whole,
)


class LogitMSE(DistillationLoss):
    """Mean squared difference of the logits (Ba and Caruana 2014, https://arxiv.org/abs/1312.6184)."""

    info = LossInfo(
        name="logit_mse",
        compares=("logits",),
        summary="mean squared difference of the logits",
        paper="Ba and Caruana 2014, Do Deep Nets Really Need to be Deep?",
        link="https://arxiv.org/abs/1312.6184",
        # Nekrasov et al. 2019, https://arxiv.org/abs/1810.10804.
        weight=0.3,
    )

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for logits of equal shape with the classes in dimension 1."""
        require_equal_shapes(student, teacher)
        return functional.mse_loss(student, teacher)


class SoftTarget(DistillationLoss):
    """T² times the KL divergence of softened predictions (Hinton et al. 2015).

    The mean is over samples and positions, the sum over classes
    (https://arxiv.org/abs/1503.02531).

    Args:
        temperature: T, above 0.
        standardise: Whether the logits of each sample are brought to mean 0 and standard deviation
            1 before (Sun et al. 2024, https://arxiv.org/abs/2403.01427): only their order and
            their proportions are learned, not their size. Published with temperature 2 and
            weight 9.
    """

    info = LossInfo(
        name="soft_target",
        compares=("logits",),
        summary="KL divergence of predictions softened by a temperature",
        paper="Hinton et al. 2015, Distilling the Knowledge in a Neural Network",
        link="https://arxiv.org/abs/1503.02531",
        # The ratio 0.7 of a public benchmark on CUB-200, by the rule of `ratio_weight`.
        weight=0.7 / 0.3,
    )

    def __init__(self, temperature: float = 4.0, standardise: bool = False):
        super().__init__()
        require_positive("temperature", temperature)
        require_flag("standardise", standardise)
        self.temperature = temperature
        self.standardise = standardise

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for logits of equal shape with the classes in dimension 1."""
        require_equal_shapes(student, teacher)
        if self.standardise:
            student, teacher = standardised(student), standardised(teacher)
        return _soft_divergence(student, teacher, 1, self.temperature)


class DKD(DistillationLoss):
    """Decoupled distillation (Zhao et al. 2022, https://arxiv.org/abs/2203.08679).

    Soft-target distillation is split in two: how sure the networks are of the true class
    (target part), and how they share out the rest among the other classes (non-target part).
    Each part is T² times a KL divergence, with a weight of its own.

    Args:
        temperature: T, above 0.
        alpha: Weight of the target part, from 0.
        beta: Weight of the non-target part, from 0.
        ignore_index: Samples or pixels of this class are passed over.
        standardise: As of `SoftTarget`.
    """

    info = LossInfo(
        name="dkd",
        compares=("logits",),
        summary="soft targets, with separate weights for the true class and the others",
        paper="Zhao et al. 2022, Decoupled Knowledge Distillation",
        link="https://arxiv.org/abs/2203.08679",
        needs_targets=True,
        # As the authors add it to the cross-entropy.
        weight=1.0,
    )

    def __init__(
        self,
        temperature: float = 4.0,
        alpha: float = 1.0,
        beta: float = 8.0,
        ignore_index: int = IGNORED_TARGET,
        standardise: bool = False,
    ):
        super().__init__()
        require_positive("temperature", temperature)
        require_not_negative("alpha", alpha)
        require_not_negative("beta", beta)
        require_whole("ignore_index", ignore_index)
        self.temperature = temperature
        self.alpha = alpha
        self.beta = beta
        self.ignore_index = ignore_index
        require_flag("standardise", standardise)
        self.standardise = standardise

    def forward(self, student: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
        """A scalar.

        Args:
            student: Logits with the classes in dimension 1.
            teacher: Logits of the same shape.
            targets: The true class of every sample or pixel: that shape without dimension 1.

        Raises:
            ValueError: If the shapes do not fit each other.
        """
        require_logits(student, teacher)
        if targets.shape != student.shape[:1] + student.shape[2:]:
            raise ValueError(
                f"targets of shape {tuple(targets.shape)} do not fit logits of shape "
                f"{tuple(student.shape)}"
            )
        if self.standardise:
            student, teacher = standardised(student), standardised(teacher)
        targets = targets.reshape(-1)
        kept = targets != self.ignore_index
        targets = targets[kept].long()
        student_sides, student_others = _decoupled(
            _as_rows(student)[kept], targets, self.temperature
        )
        teacher_sides, teacher_others = _decoupled(
            _as_rows(teacher)[kept], targets, self.temperature
        )
        target_part = _divergences(student_sides, teacher_sides, 1).sum()
        other_part = _divergences(student_others, teacher_others, 1).sum()
        total = self.alpha * target_part + self.beta * other_part
        # A batch may hold ignored pixels only; its mean would be 0/0.
        return total / max(len(targets), 1) * self.temperature**2


class DIST(DistillationLoss):
    """Correlation of the predictions (Huang et al. 2022, https://arxiv.org/abs/2205.10536).

    One minus Pearson's correlation of the softened probabilities, over the classes of a sample
    (inter-class) and over the samples of a class (intra-class), times T². A strong teacher's
    probabilities need not be matched, only their relations. Pixels count as samples.

    Args:
        temperature: T, above 0.
        inter_weight: Weight of the inter-class part, from 0.
        intra_weight: Weight of the intra-class part, from 0.
    """

    info = LossInfo(
        name="dist",
        compares=("logits",),
        summary="correlation of the predictions over classes and over samples",
        paper="Huang et al. 2022, Knowledge Distillation from A Stronger Teacher",
        link="https://arxiv.org/abs/2205.10536",
        # As the authors add it to the cross-entropy.
        weight=1.0,
    )

    def __init__(
        self, temperature: float = 1.0, inter_weight: float = 1.0, intra_weight: float = 1.0
    ):
        super().__init__()
        require_positive("temperature", temperature)
        require_not_negative("inter_weight", inter_weight)
        require_not_negative("intra_weight", intra_weight)
        self.temperature = temperature
        self.inter_weight = inter_weight
        self.intra_weight = intra_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for logits of equal shape with the classes in dimension 1."""
        require_logits(student, teacher)
        student = (_as_rows(student) / self.temperature).softmax(1)
        teacher = (_as_rows(teacher) / self.temperature).softmax(1)
        inter = 1 - _correlation(student, teacher, dim=1).mean()
        intra = 1 - _correlation(student, teacher, dim=0).mean()
        return (self.inter_weight * inter + self.intra_weight * intra) * self.temperature**2


class ChannelWise(DistillationLoss):
    """Channel-wise distillation for segmentation (Shu et al. 2021).

    Each channel is a distribution over the positions; T² times the KL divergence, averaged over
    samples and channels (https://arxiv.org/abs/2011.13256). A constant added to a channel changes
    nothing, and a class of few pixels counts as much as the background.

    Args:
        temperature: T, above 0.
    """

    info = LossInfo(
        name="channel_wise",
        compares=("logits", "features"),
        summary="KL divergence over the positions of each channel, for segmentation",
        paper="Shu et al. 2021, Channel-wise Knowledge Distillation for Dense Prediction",
        link="https://arxiv.org/abs/2011.13256",
        # As the authors add it to the cross-entropy.
        weight=3.0,
        weight_on_features=50.0,
        balance=0.5,
        maps_only=True,
    )

    def __init__(self, temperature: float = 4.0):
        super().__init__()
        require_positive("temperature", temperature)
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for logits or maps N x channels x height x width of equal shape."""
        require_maps(student, teacher)
        require_equal_shapes(student, teacher)
        return _soft_divergence(student.flatten(2), teacher.flatten(2), 2, self.temperature)


def standardised(logits: Tensor) -> Tensor:
    """Logits with mean 0 and standard deviation 1 over the classes, in dimension 1."""
    centred = logits - logits.mean(1, keepdim=True)
    # Equal logits have deviation 0, where the root has no gradient.
    return centred / (centred.square().mean(1, keepdim=True) + 1e-14).sqrt()


def _divergences(student: Tensor, teacher: Tensor, dim: int) -> Tensor:
    """The terms of the KL divergence, which is their sum over the dimension."""
    log_student = functional.log_softmax(student, dim=dim)
    log_teacher = functional.log_softmax(teacher, dim=dim)
    return log_teacher.exp() * (log_teacher - log_student)


def _soft_divergence(student: Tensor, teacher: Tensor, dim: int, temperature: float) -> Tensor:
    """T² times the KL divergence over the dimension, averaged over the others."""
    terms = _divergences(student / temperature, teacher / temperature, dim)
    # One sum over everything: a mean, or a sum over one dimension first, is one more pass.
    return terms.sum() * temperature**2 / (terms.numel() // terms.shape[dim])


def _as_rows(logits: Tensor) -> Tensor:
    return logits.movedim(1, -1).flatten(0, -2)


def _decoupled(rows: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The logits of (true class, all others together), and those of the others."""
    rows = rows / temperature
    others = functional.one_hot(targets, rows.shape[1]) == 0
    rest = rows[others].reshape(len(rows), rows.shape[1] - 1)
    true = rows.gather(1, targets[:, None])
    return torch.cat([true, rest.logsumexp(1, keepdim=True)], dim=1), rest


def _correlation(student: Tensor, teacher: Tensor, dim: int) -> Tensor:
    student = student - student.mean(dim, keepdim=True)
    teacher = teacher - teacher.mean(dim, keepdim=True)
    norms = torch.linalg.vector_norm(student, dim=dim) * torch.linalg.vector_norm(teacher, dim=dim)
    # Equal probabilities have no correlation; the authors' small number keeps that finite.
    return (student * teacher).sum(dim) / (norms + 1e-8)
