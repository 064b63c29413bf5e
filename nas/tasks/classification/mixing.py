"""Mixes the images of a batch, and their labels in the same proportion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from nas.errors import UserError
from nas.tasks.draws import draws_from
from nas.tasks.spelling import hint

MixingKind = Literal["none", "mixup", "cutmix"]


@dataclass(frozen=True)
class Mixing:
    """Mixes each image of a batch with another one of it.

    "mixup" adds them (Zhang et al. 2018, https://arxiv.org/abs/1710.09412), "cutmix" pastes a
    rectangle of the other (Yun et al. 2019, https://arxiv.org/abs/1905.04899). The share of an
    image is drawn once for a batch from Beta(alpha, alpha), as in both papers.

    Attributes:
        kind: "none", "mixup" or "cutmix".
        alpha: Positive; the larger, the nearer the shares are to a half.
        num_classes: Number of classes C.

    Raises:
        UserError: If there is no such kind, or alpha is not positive.
    """

    kind: MixingKind
    alpha: float
    num_classes: int

    def __post_init__(self) -> None:
        if self.kind not in get_args(MixingKind):
            raise UserError(f"no mixing {self.kind!r}; {hint(self.kind, get_args(MixingKind))}")
        if self.kind != "none" and not 0 < self.alpha < float("inf"):
            raise UserError(f"alpha of {self.kind} must be positive, not {self.alpha}.")

    def __call__(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mixes a batch.

        Args:
            images: N×channels×H×W, normalised, of a floating type.
            labels: Class of each, N int64.
            generator: Decides pairs and shares; torch's global state is left untouched.

        Returns:
            Images of the same shape and targets N×C float32 whose rows sum to 1; a class has the
            share of its image, for cutmix that of the pixels that are really its own.

        Raises:
            ValueError: If the images are not of a floating type.
        """
        if not images.is_floating_point():
            raise ValueError(f"images must be normalised and floating, not {images.dtype}.")
        targets = functional.one_hot(labels, self.num_classes).float()
        if self.kind == "none":
            return images, targets
        with draws_from(generator):
            share = float(_beta(self.alpha))
            order = torch.randperm(len(images)).to(images.device)
            if self.kind == "mixup":
                images = torch.lerp(images[order], images, share)
            else:
                images, share = _pasted(images, images[order], share)
        return images, torch.lerp(targets[order], targets, share)


def _beta(alpha: float) -> Tensor:
    concentration = torch.tensor(alpha, dtype=torch.float64)
    return torch.distributions.Beta(concentration, concentration).sample()


def _pasted(images: Tensor, others: Tensor, share: float) -> tuple[Tensor, float]:
    """Pastes a rectangle of about 1 - share of the area, and returns the share that is left."""
    height, width = images.shape[-2:]
    top, bottom = _interval(height, share)
    left, right = _interval(width, share)
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _interval(length: int, share: float) -> tuple[int, int]:
    # The centre may lie anywhere, so that what is pasted may be cut off at the border.
    centre = int(torch.randint(length, ()))
    half = int(length * (1 - share) ** 0.5) // 2
    return max(centre - half, 0), min(centre + half, length)
