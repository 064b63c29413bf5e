"""Test-time augmentation: the views of an image whose logits are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from nas.errors import UserError

ViewsName = Literal["none", "flip", "ten_crop"]

_ENLARGED = 1.1


def averaged(
    forward: Callable[[Tensor], Tensor], views: ViewsName, mirror: bool = True
) -> Callable[[Tensor], Tensor]:
    """A forward pass whose logits are the means over the views of each image.

    Args:
        forward: Gives the logits of images N x 3 x H x W.
        views: ``none``; ``flip``, the image and its mirror image; or ``ten_crop``, the image
            enlarged by a tenth and cut to its size at the corners and the middle, each mirrored
            too.
        mirror: Whether an image may be mirrored; ten crops are five where it must not be.

    Raises:
        UserError: If nothing but mirroring is asked for, and it must not be.
    """
    if views == "none":
        return forward
    if views == "flip":
        if not mirror:
            raise UserError("views 'flip': the images of this task must not be mirrored.")
        return lambda images: mean_of(forward, [images], mirror)
    return lambda images: mean_of(forward, _five_crops(images), mirror)


def mean_of(forward: Callable[[Tensor], Tensor], views: Iterable[Tensor], mirror: bool) -> Tensor:
    """The mean of the logits of several views.

    Args:
        forward: Gives the logits of images.
        views: Batches of the same images.
        mirror: Whether each view is mirrored too.
    """
    both = (image for view in views for image in (_flipped(view) if mirror else [view]))
    return torch.stack([forward(view) for view in both]).mean(dim=0)


def _flipped(images: Tensor) -> list[Tensor]:
    return [images, images.flip(-1)]


def _five_crops(images: Tensor) -> list[Tensor]:
    height, width = images.shape[-2:]
    tall, wide = round(height * _ENLARGED), round(width * _ENLARGED)
    large = functional.interpolate(
        images, size=(tall, wide), mode="bilinear", align_corners=False, antialias=True
    )
    corners = [(top, left) for top in (0, tall - height) for left in (0, wide - width)]
    places = [*corners, ((tall - height) // 2, (wide - width) // 2)]
    return [large[..., top : top + height, left : left + width] for top, left in places]
