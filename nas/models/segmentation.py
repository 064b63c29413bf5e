"""Whole segmentation networks: encoder, decoder, logits at the input's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from torch import Tensor, nn
from torch.nn import functional

from nas.models.encoder import Encoder, fingerprint


class PlainDecoder(nn.Module):
    """A feature pyramid without search: the decoder of teachers and of encoder pre-training.

    Each map is brought to one width, the coarser is upsampled and added to the finer, and two
    3x3 convolutions end in the classes (Lin et al., Feature Pyramid Networks, 2017,
    https://arxiv.org/abs/1612.03144).

    Args:
        channels: Channels of the encoder's maps, the finest first.
        num_classes: Number of classes.
        width: Channels of the pyramid.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, width: int = 64):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False) for c in channels)
        self.smooth = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.classifier = nn.Conv2d(width, num_classes, 3, padding=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits at the size of the finest map."""
        maps = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        merged = maps[-1]
        for finer in reversed(maps[:-1]):
            merged = finer + resize(merged, finer.shape[-2:])
        return cast(Tensor, self.classifier(self.smooth(merged)))


class Decoder(Protocol):
    """What the decoder of a search space offers beside `nn.Module`."""

    def forward_with_auxiliary(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Logits, and those of the auxiliary heads."""

    def remove_auxiliary(self) -> None:
        """Drops the auxiliary heads, for deployment."""


class SegmentationNetwork(nn.Module):
    """An encoder and a decoder; what is trained end to end, deployed and measured.

    Args:
        encoder: Gives maps at several strides.
        decoder: Turns them into logits at one of the strides.
    """

    def __init__(self, encoder: Encoder, decoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    @property
    def fingerprint(self) -> str:
        """Changes with any weight of encoder or decoder."""
        return f"{self.encoder.fingerprint}{fingerprint(self.decoder.state_dict())}"

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes x H x W of normalised images N x C x H x W."""
        logits = self.decoder(self.encoder(images))
        return resize(logits, images.shape[-2:])

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits at the decoder's own size, and those of its auxiliary heads if it has any."""
        return decode(self.decoder, self.encoder(images))


def without_auxiliary(decoder: nn.Module) -> nn.Module:
    """Drops the auxiliary heads of a decoder, in place, if it has any."""
    if hasattr(decoder, "remove_auxiliary"):
        cast(Decoder, decoder).remove_auxiliary()
    return decoder


def decode(decoder: nn.Module, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Logits of a decoder, and those of its auxiliary heads if it has any."""
    if hasattr(decoder, "forward_with_auxiliary"):
        return cast(Decoder, decoder).forward_with_auxiliary(features)
    return decoder(features), []


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear interpolation of maps N x C x h x w to N x C x size."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return functional.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
