"""Losses on what the classifiers of both networks say of the cells of their last maps.

A network that averages its last map and classifies the mean can classify any cell of that map with
the same weights. All these losses are called with both maps and both classifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.distillation.base import DistillationLoss, LossInfo
from nas.distillation.cells import POOLS, Pool, attention_maps, cells_of, count_cells
from nas.distillation.distributions import MMD
from nas.distillation.inputs import require_maps
from nas.distillation.options import require_count, require_one_of, require_positive
from nas.distillation.relations import similarities

Classifier = Callable[[Tensor], Tensor]
"""Turns features M x channels into logits M x classes."""

Weighting = Literal["uniform", "selector", "student", "teacher", "self_attention"]
_WEIGHTINGS = ("uniform", "selector", "student", "teacher", "self_attention")


class CellLoss(DistillationLoss):
    """A loss on the logits of cells.

    Args:
        levels: Rows of each grid of cells: ``[4]`` is 16 cells, ``[4, 2, 1]`` a pyramid of 21.
        pool: ``average``, ``max``, ``both`` (their sum) or ``windows`` (overlapping ones of 2x2
            cells).
        attention: Whether maps are squared and scaled to norm 1 first, channel by channel.
    """

    def __init__(self, levels: Sequence[int], pool: Pool, attention: bool):
        super().__init__()
        if not isinstance(levels, list | tuple) or not levels:
            raise ValueError(f"levels must be a list of the rows of each grid, not {levels!r}")
        for level in levels:
            require_count("every level", level)
        require_one_of("pool", pool, POOLS)
        if pool == "windows" and min(levels) < 2:
            raise ValueError("pool 'windows' needs grids of 2 rows and more; raise levels")
        if not isinstance(attention, bool):
            raise ValueError(f"attention must be true or false, not {attention!r}")
        self.levels = tuple(levels)
        self.pool: Pool = pool
        self.attention = attention

    @property
    def cells(self) -> int:
        """Number of cells."""
        return count_cells(self.levels, self.pool)

    def forward(
        self,
        student: Tensor,
        teacher: Tensor,
        student_classifier: Classifier,
        teacher_classifier: Classifier,
    ) -> Tensor:
        """A scalar, for maps N x any channels x any height x any width.

        Args:
            student: The student's map.
            teacher: The teacher's.
            student_classifier: Turns the student's features into logits.
            teacher_classifier: Turns the teacher's features into logits.
        """
        require_maps(student, teacher)
        features = self._features(student)
        with torch.no_grad():
            teacher_features = self._features(teacher)
            teacher_logits = classified(teacher_features, teacher_classifier)
        logits = classified(features, student_classifier)
        if logits.shape != teacher_logits.shape:
            raise ValueError(
                f"student and teacher have unequal logits of cells: {tuple(logits.shape)} and "
                f"{tuple(teacher_logits.shape)}"
            )
        return self.compare(logits, teacher_logits, features, teacher_features)

    def compare(
        self, logits: Tensor, teacher_logits: Tensor, features: Tensor, teacher_features: Tensor
    ) -> Tensor:
        """The loss of logits N x cells x classes, from features N x channels x cells."""
        raise NotImplementedError

    def _features(self, maps: Tensor) -> Tensor:
        return cells_of(attention_maps(maps) if self.attention else maps, self.levels, self.pool)


class PatchBCE(CellLoss):
    """Cross-entropy of the scores of cells, with the teacher's as soft targets.

    The score is the probability of class 0 of two. The least loss is the teacher's entropy, not 0.
    Options are those of `CellLoss`.
    """

    info = LossInfo(
        name="patch_bce",
        compares=("features",),
        summary="cross-entropy of what the classifiers say of the cells of the last map",
        paper="Hinton et al. 2015, Distilling the Knowledge in a Neural Network, cell by cell",
        link="https://arxiv.org/abs/1503.02531",
        # None is published: equal to the cross-entropy.
        weight=1.0,
        maps_only=True,
        equal_sizes=False,
        adapter="none",
        needs_classifiers=True,
    )

    def __init__(
        self, levels: Sequence[int] = (4,), pool: Pool = "average", attention: bool = False
    ):
        super().__init__(levels, pool, attention)

    def compare(
        self, logits: Tensor, teacher_logits: Tensor, features: Tensor, teacher_features: Tensor
    ) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            margins(logits), margins(teacher_logits).sigmoid()
        )


class PatchKL(CellLoss):
    """KL divergence of the scores of cells; `PatchBCE` less the teacher's entropy.

    Options are those of `CellLoss`.
    """

    info = LossInfo(
        name="patch_kl",
        compares=("features",),
        summary="KL divergence of what the classifiers say of the cells of the last map",
        paper="Hinton et al. 2015, Distilling the Knowledge in a Neural Network, cell by cell",
        link="https://arxiv.org/abs/1503.02531",
        # None is published: equal to the cross-entropy.
        weight=1.0,
        maps_only=True,
        equal_sizes=False,
        adapter="none",
        needs_classifiers=True,
    )

    def __init__(
        self, levels: Sequence[int] = (4,), pool: Pool = "average", attention: bool = False
    ):
        super().__init__(levels, pool, attention)

    def compare(
        self, logits: Tensor, teacher_logits: Tensor, features: Tensor, teacher_features: Tensor
    ) -> Tensor:
        target = margins(teacher_logits)
        cross = functional.binary_cross_entropy_with_logits(margins(logits), target.sigmoid())
        return cross - functional.binary_cross_entropy_with_logits(target, target.sigmoid())


class PatchMMD(CellLoss):
    """Maximum mean discrepancy of the scores of cells, a row of them for each sample; see `MMD`.

    Options are those of `CellLoss`.
    """

    info = LossInfo(
        name="patch_mmd",
        compares=("features",),
        summary="maximum mean discrepancy of what the classifiers say of the cells",
        paper="Gretton et al. 2012, A Kernel Two-Sample Test",
        link="https://jmlr.org/papers/v13/gretton12a.html",
        # None is published. At 1 it did harm, at 0.1 and below none (docs/results.md).
        weight=0.1,
        maps_only=True,
        equal_sizes=False,
        adapter="none",
        needs_classifiers=True,
    )

    def __init__(
        self, levels: Sequence[int] = (4,), pool: Pool = "average", attention: bool = False
    ):
        super().__init__(levels, pool, attention)
        self._discrepancy = MMD()

    def compare(
        self, logits: Tensor, teacher_logits: Tensor, features: Tensor, teacher_features: Tensor
    ) -> Tensor:
        return self._discrepancy(margins(logits).sigmoid(), margins(teacher_logits).sigmoid())


class MultiScale(CellLoss):
    """Soft targets for every cell of a pyramid, weighed among the cells.

    Each cell has T² times the KL divergence of softened predictions, averaged over samples; the
    loss is their weighted mean. Weights are positive and add up to 1. They come from a softmax, and
    no gradient goes through what they are made of, so that the student cannot lower the loss by
    changing the weights.

    Args:
        levels: Rows of each grid of cells.
        pool: As for `CellLoss`.
        attention: As for `CellLoss`.
        temperature: T, above 0.
        weighting: ``uniform``; ``student`` or ``teacher``, by the strength of the network's cells,
            the mean of their features; ``selector``, by a linear layer on the student's strengths,
            which learns; ``self_attention``, by the products of the losses with each other, so that
            cells that are far off count more. (Attention over a single row of all losses has one
            weight, 1, and is ``uniform``.)
    """

    info = LossInfo(
        name="multi_scale",
        compares=("features",),
        summary="soft targets for every cell of a pyramid over the last map",
        paper="Hinton et al. 2015, Distilling the Knowledge in a Neural Network, cell by cell",
        link="https://arxiv.org/abs/1503.02531",
        # None is published: equal to the cross-entropy.
        weight=1.0,
        maps_only=True,
        equal_sizes=False,
        adapter="none",
        needs_classifiers=True,
    )

    def __init__(
        self,
        levels: Sequence[int] = (4, 2, 1),
        pool: Pool = "average",
        attention: bool = False,
        temperature: float = 2.0,
        weighting: Weighting = "uniform",
    ):
        super().__init__(levels, pool, attention)
        require_positive("temperature", temperature)
        require_one_of("weighting", weighting, _WEIGHTINGS)
        self.temperature = temperature
        self.weighting = weighting
        self.selector = nn.Linear(self.cells, self.cells) if weighting == "selector" else None

    def compare(
        self, logits: Tensor, teacher_logits: Tensor, features: Tensor, teacher_features: Tensor
    ) -> Tensor:
        student = functional.log_softmax(logits / self.temperature, dim=2)
        teacher = functional.log_softmax(teacher_logits / self.temperature, dim=2)
        divergences = (teacher.exp() * (teacher - student)).sum(dim=2).mean(dim=0)
        losses = divergences * self.temperature**2
        return (losses * self._weights(losses.detach(), features, teacher_features)).sum()

    def _weights(self, losses: Tensor, features: Tensor, teacher_features: Tensor) -> Tensor:
        """A weight for each cell; they add up to 1."""
        if self.weighting == "self_attention":
            return torch.outer(losses, losses).softmax(dim=1).mean(dim=0)
        if self.weighting == "uniform":
            return torch.full_like(losses, 1 / len(losses))
        source = teacher_features if self.weighting == "teacher" else features.detach()
        strengths = source.mean(dim=(0, 1))
        return (strengths if self.selector is None else self.selector(strengths)).softmax(dim=0)


class EntropySimilarity(DistillationLoss):
    """Similarities of the samples, weighed by how unsure the teacher is of a sample.

    The squared differences of the matrices of `Similarity` are multiplied, column by column, by the
    entropy of the teacher's prediction over the sum of all entropies, and added up: the MAD loss of
    Wei et al. 2023 (https://arxiv.org/abs/2304.08028). Called with maps and both
    classifiers, as the teacher's prediction is made of the mean of its map.
    """

    info = LossInfo(
        name="mad",
        compares=("features",),
        summary="which samples resemble each other, where the teacher is unsure",
        paper=(
            "Wei et al. 2023, MMANet: Margin-aware Distillation and Modality-aware Regularization "
            "for Incomplete Multimodal Learning"
        ),
        link="https://arxiv.org/abs/2304.08028",
        # Entropies add up to 1 instead of N, so that it is about N times `similarity`.
        weight=100.0,
        maps_only=True,
        equal_sizes=False,
        adapter="none",
        needs_classifiers=True,
    )

    def forward(
        self,
        student: Tensor,
        teacher: Tensor,
        student_classifier: Classifier,
        teacher_classifier: Classifier,
    ) -> Tensor:
        """A scalar, for maps N x any channels x any height x any width."""
        require_maps(student, teacher)
        with torch.no_grad():
            log_probabilities = teacher_classifier(teacher.mean(dim=(2, 3))).log_softmax(dim=1)
            entropy = -(log_probabilities.exp() * log_probabilities).sum(dim=1)
            # A teacher that is sure of every sample tells nothing of the margin.
            weights = entropy / entropy.sum().clamp(min=torch.finfo(entropy.dtype).tiny)
            target = similarities(teacher, order=2.0)
        return ((similarities(student, order=2.0) - target).square() * weights).sum()


def classified(features: Tensor, classifier: Classifier) -> Tensor:
    """Logits N x cells x classes of features N x channels x cells."""
    return classifier(features.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(features), -1))


def margins(logits: Tensor) -> Tensor:
    """The first logit less the second, N x cells; its sigmoid is the probability of class 0.

    Raises:
        ValueError: If there are more than two classes.
    """
    if logits.shape[2] != 2:
        raise ValueError(
            f"scores of cells are of two classes, and these are {logits.shape[2]}; choose "
            "multi_scale"
        )
    return logits[..., 0] - logits[..., 1]
