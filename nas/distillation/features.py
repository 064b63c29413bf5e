"""Losses on intermediate features, position by position."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from nas.distillation.base import DistillationLoss, LossInfo
from nas.distillation.inputs import pool_to_smaller, require_equal_shapes, require_maps
from nas.distillation.options import require_one_of


class FeatureMSE(DistillationLoss):
    """Mean squared difference of the features."""

    info = LossInfo(
        name="feature_mse",
        compares=("features",),
        summary="mean squared difference of features of equal shape",
        paper="Romero et al. 2015, FitNets: Hints for Thin Deep Nets",
        link="https://arxiv.org/abs/1412.6550",
        # That of `hint`.
        weight=100.0,
        balance=0.5,
    )

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for features of equal shape."""
        require_equal_shapes(student, teacher)
        return functional.mse_loss(student, teacher)


class Hint(DistillationLoss):
    """Hints of FitNets (Romero et al. 2015, https://arxiv.org/abs/1412.6550).

    The student's channels have to be those of the teacher: a regressor brings them there.

    Args:
        scaling: ``mean`` averages the squared differences; ``original`` is half of their sum over
            channels, averaged over samples and positions, as in the paper's code: channels / 2
            times as much.
    """

    info = LossInfo(
        name="hint",
        compares=("features",),
        summary=(
            "squared difference of a guided layer and a hint, in the paper's scaling or as a mean"
        ),
        paper="Romero et al. 2015, FitNets: Hints for Thin Deep Nets",
        link="https://arxiv.org/abs/1412.6550",
        # Tian et al. 2020, https://arxiv.org/abs/1910.10699, and the code beside it.
        weight=100.0,
        balance=0.5,
        adapter="regressor",
    )

    def __init__(self, scaling: Literal["mean", "original"] = "mean"):
        super().__init__()
        require_one_of("scaling", scaling, ("mean", "original"))
        self.scaling = scaling

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for features of equal shape with the channels in dimension 1."""
        require_equal_shapes(student, teacher)
        mean = functional.mse_loss(student, teacher)
        return mean if self.scaling == "mean" else mean * (student.shape[1] / 2)


class AttentionTransfer(DistillationLoss):
    """Attention transfer (Zagoruyko and Komodakis 2017, https://arxiv.org/abs/1612.03928).

    The squares of a map's channels are summed to one attention map, which is scaled to norm 1.
    Channels may differ in number; of maps of unequal size the larger is averaged down first.

    Args:
        form: ``code`` is the mean of the squared differences, as the authors' code has it;
            ``paper`` is the norm of the difference, averaged over samples.
    """

    info = LossInfo(
        name="attention",
        compares=("features",),
        summary="where the maps are strong, whatever their channels",
        paper=(
            "Zagoruyko and Komodakis 2017, Paying More Attention to Attention: Improving the "
            "Performance of Convolutional Neural Networks via Attention Transfer"
        ),
        link="https://arxiv.org/abs/1612.03928",
        # Tian et al. 2020, https://arxiv.org/abs/1910.10699, and the code beside it.
        weight=1000.0,
        balance=0.5,
        ratio_is_weight=True,
        # The sum over several strides, as in the authors' code.
        place="two_last",
        maps_only=True,
        equal_sizes=False,
        adapter="none",
    )

    def __init__(self, form: Literal["code", "paper"] = "code"):
        super().__init__()
        require_one_of("form", form, ("code", "paper"))
        self.form = form

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for maps N x any channels x any height x any width."""
        require_maps(student, teacher)
        student, teacher = pool_to_smaller(student, teacher)
        difference = _attention(student) - _attention(teacher)
        if self.form == "code":
            return difference.square().mean()
        return torch.linalg.vector_norm(difference, dim=1).mean()


def _attention(maps: Tensor) -> Tensor:
    # The authors' mean has a factor that the norm takes out again, and a slower gradient.
    return functional.normalize(maps.square().sum(1).flatten(1), dim=1)
