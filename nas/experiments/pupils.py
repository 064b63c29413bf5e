"""Encoders beside the maps that they learn from a teacher."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.models.encoder import Encoder


class Pupils(nn.Module):
    """Encoders, each with 1x1 convolutions to the maps of their teacher.

    Args:
        encoders: They learn, and so do the convolutions.
        channels: Of each of the teacher's maps.
    """

    def __init__(self, encoders: Sequence[Encoder], channels: Sequence[int]):
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.adapters = nn.ModuleList(
            nn.ModuleList(map(_adapter, encoder.channels, channels)) for encoder in encoders
        )

    def forward(self, images: Tensor, wanted: Sequence[Tensor]) -> Tensor:
        """Mean squared error of each encoder.

        Args:
            images: Normalised, N x channels x H x W.
            wanted: The teacher's map of each stride.
        """
        pairs: Any = zip(self.encoders, self.adapters, strict=True)
        return torch.stack([_error(encoder(images), by, wanted) for encoder, by in pairs])


class StandardisedMaps:
    """The maps of a teacher, each channel with mean 0 and variance 1 over some images.

    Args:
        teacher: In evaluation mode.
        batches: Normalised images N x channels x H x W.
    """

    def __init__(self, teacher: Encoder, batches: Iterable[Tensor]):
        self._teacher = teacher
        sums: list[Tensor] = []
        with torch.no_grad():
            for images in batches:
                found = [_moments(m) for m in teacher(images)]
                sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
        means = [(total / total[2, 0]).float() for total in sums]
        self._means = [m[0, :, None, None] for m in means]
        # A channel that never changes stays 0.
        self._scales = [(m[1] - m[0] ** 2 + 1e-5).rsqrt()[:, None, None] for m in means]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> list[Tensor]:
        """The map of each stride, for normalised images N x channels x H x W."""
        maps = zip(self._teacher(images), self._means, self._scales, strict=True)
        return [(found - mean) * scale for found, mean, scale in maps]


def _moments(found: Tensor) -> Tensor:
    """Sum, sum of squares and number of the values of each channel, 3 x channels."""
    values = found.double().transpose(0, 1).flatten(1)
    number = torch.full_like(values[:, 0], values.shape[1])
    return torch.stack([values.sum(1), (values**2).sum(1), number])


def _error(
    maps: Iterable[Tensor], adapters: Iterable[nn.Module], wanted: Iterable[Tensor]
) -> Tensor:
    """Mean squared error over all strides."""
    parts = zip(maps, adapters, wanted, strict=True)
    return torch.stack([functional.mse_loss(by(m), target) for m, by, target in parts]).mean()


def _adapter(of_encoder: int, of_teacher: int) -> nn.Module:
    return nn.Conv2d(of_encoder, of_teacher, 1)
