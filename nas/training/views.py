"""Test-time augmentation: the views of an image whose logits are averaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

ViewsName = Literal["none", "flip", "ten_crop"]

_ENLARGED = 1.1


def averaged(forward: Callable[[Tensor], Tensor], views: ViewsName) -> Callable[[Tensor], Tensor]:
    """A forward pass whose logits are the means over the views of each image.

    Args:
        forward: Gives the logits of images N x 3 x H x W.
        views: ``none``; ``flip``, the image and its mirror image; or ``ten_crop``, the image
            enlarged by a tenth and cut to its size at the corners and the middle, each mirrored
            too.
    """
    if views == "none":
        return forward
    make = _flipped if views == "flip" else _ten_crop

    def mean(images: Tensor) -> Tensor:
        return torch.stack([forward(view) for view in make(images)]).mean(dim=0)

    return mean


def _flipped(images: Tensor) -> list[Tensor]:
    return [images, images.flip(-1)]


def _ten_crop(images: Tensor) -> list[Tensor]:
    height, width = images.shape[-2:]
    tall, wide = round(height * _ENLARGED), round(width * _ENLARGED)
    large = functional.interpolate(
        images, size=(tall, wide), mode="bilinear", align_corners=False, antialias=True
    )
    corners = [(top, left) for top in (0, tall - height) for left in (0, wide - width)]
    places = [*corners, ((tall - height) // 2, (wide - width) // 2)]
    crops = [large[..., top : top + height, left : left + width] for top, left in places]
    return [view for crop in crops for view in _flipped(crop)]
