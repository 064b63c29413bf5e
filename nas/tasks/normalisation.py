"""Mean and standard deviation of the channels."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.errors import UserError

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, with pixels counted from 0 to 1."""

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What weights trained on ImageNet expect of colour images."""

_CHUNK = 1024


def measure(images: Tensor) -> Normalisation:
    """Mean and standard deviation of each channel over all pixels, to six decimals.

    Args:
        images: N×C×H×W uint8.

    Raises:
        UserError: If a channel has one value alone.
    """
    channels = images.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.float64)
    for chunk in images.split(_CHUNK):
        for channel in range(channels):
            counts[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=256)
    values = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(dim=1, keepdim=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(dim=1)
    if not bool((variance > 1e-9).all()):
        raise UserError(
            "a channel of the images for training has the same value everywhere, so it cannot be "
            "normalised; give mean and std."
        )
    return _rounded(mean), _rounded(variance.sqrt())


def _rounded(values: Tensor) -> tuple[float, ...]:
    # The last digits depend on the order of summation, which differs between machines.
    return tuple(round(value, 6) for value in values.tolist())
