"""Mean and standard deviation of the colour channels."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.errors import UserError

Colour = tuple[float, float, float]

IMAGENET: tuple[Colour, Colour] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation that weights trained on ImageNet expect."""

_CHUNK = 1024


def measure(images: Tensor) -> tuple[Colour, Colour]:
    """Mean and standard deviation of each channel over all pixels, to six decimals.

    Args:
        images: N×3×H×W uint8, counted from 0 to 1.

    Raises:
        UserError: If a channel has one value alone.
    """
    counts = torch.zeros(3, 256, dtype=torch.float64)
    for chunk in images.split(_CHUNK):
        for channel in range(3):
            counts[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=256)
    values = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(dim=1, keepdim=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(dim=1)
    if not bool((variance > 1e-9).all()):
        raise UserError(
            "a colour channel of the images for training has the same value everywhere, so it "
            "cannot be normalised; give mean and std."
        )
    return _colour(mean), _colour(variance.sqrt())


def _colour(values: Tensor) -> Colour:
    # The last digits depend on the order of summation, which differs between machines.
    red, green, blue = (round(value, 6) for value in values.tolist())
    return red, green, blue
