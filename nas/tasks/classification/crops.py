"""Crops and mirroring of whole batches, drawn for each image from torch's global generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_RATIO = 4 / 3
"""Largest factor between the sides of a rectangle, in units of the image's sides."""


def pad_crop(images: Tensor, padding: int) -> Tensor:
    """Surrounds each image with zeros and cuts out its size at a random position.

    Args:
        images: N×C×H×W.
        padding: Pixels on each side.
    """
    height, width = images.shape[-2:]
    corners = torch.randint(2 * padding + 1, (len(images), 2)).tolist()
    padded = functional.pad(images, [padding] * 4)
    cut = torch.empty_like(images)
    for row, (top, left) in enumerate(corners):
        cut[row] = padded[row, :, top : top + height, left : left + width]
    return cut


def resized_crop(images: Tensor, scale: tuple[float, float]) -> Tensor:
    """Cuts a random rectangle out of each image and resizes it to the image's size.

    Args:
        images: N×C×H×W uint8.
        scale: Smallest and largest area of the rectangle, as a share of the image's. Rectangles
            that would be longer than the image are cut to its length.
    """
    count = len(images)
    low, high = scale
    side = torch.sqrt(low + (high - low) * torch.rand(count))
    stretch = torch.exp((2 * torch.rand(count) - 1) * 0.5 * math.log(_RATIO))
    # Of half the width and half the height of the image.
    half = torch.stack([side * stretch, side / stretch], dim=1).clamp(max=1)
    centre = (2 * torch.rand(count, 2) - 1) * (1 - half)
    matrix = torch.cat([torch.diag_embed(half), centre[:, :, None]], dim=2).to(images.device)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    # A rectangle is never larger than its result, so no detail has to be averaged away.
    cut = functional.grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return cut.round_().clamp_(0, 255).to(images.dtype)


def mirror(images: Tensor) -> Tensor:
    """Mirrors each image N×C×H×W with a probability of a half."""
    chosen = (torch.rand(len(images)) < 0.5).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)
