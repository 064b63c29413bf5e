"""Augmentation of batches of faces with several modalities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nas.tasks.antispoofing.augmentation import FaceAugmentationSettings
from nas.tasks.classification.augment import Augment
from nas.tasks.draws import draws_from
from nas.tasks.inputs import channel_range


class FaceAugment(Augment):
    """A random change of faces: that of `Augment` and a rotation together, colours by modality.

    Args:
        settings: Which changes.
        input_size: Height and width of the images in pixels.
        inputs: Channels of each modality, in order.

    Raises:
        UserError: If the padding is as large as the images.
    """

    def __init__(
        self,
        settings: FaceAugmentationSettings,
        input_size: tuple[int, int],
        inputs: Mapping[str, int],
    ) -> None:
        super().__init__(settings, input_size, sum(inputs.values()))
        self._rotation = settings.rotation
        self._brightness = settings.brightness
        self._contrast = settings.contrast
        self._ranges = [channel_range(inputs, name) for name in inputs]

    def __call__(self, images: Tensor | Sequence[Tensor], generator: torch.Generator) -> Tensor:
        images = super().__call__(images, generator)
        with draws_from(generator):
            if self._rotation:
                images = _rotated(images, self._rotation)
            if self._brightness or self._contrast:
                parts = [images[:, start:stop] for start, stop in self._ranges]
                images = torch.cat([self._recoloured(part) for part in parts], dim=1)
        return images

    def _recoloured(self, images: Tensor) -> Tensor:
        """One modality with a brightness and a contrast of its own for each image."""
        brightness, contrast = (
            1 + largest * (2 * torch.rand(len(images), 1, 1, 1) - 1).to(images.device)
            for largest in (self._brightness, self._contrast)
        )
        pixels = images.float()
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        changed = (pixels - mean) * contrast + mean * brightness
        return changed.round_().clamp_(0, 255).to(images.dtype)


def _rotated(images: Tensor, largest: float) -> Tensor:
    """Turns each image about its centre by a random angle; what comes into view is black.

    Args:
        images: N×C×H×W uint8.
        largest: Angle in degrees, either way.
    """
    height, width = images.shape[-2:]
    angle = math.radians(largest) * (2 * torch.rand(len(images)) - 1)
    cosine, sine = angle.cos(), angle.sin()
    zero = torch.zeros_like(angle)
    # Coordinates go from -1 to 1 on either side, whatever the sides' lengths.
    first = torch.stack([cosine, -sine * height / width, zero], dim=1)
    second = torch.stack([sine * width / height, cosine, zero], dim=1)
    matrix = torch.stack([first, second], dim=1).to(images.device)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    turned = functional.grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return turned.round_().clamp_(0, 255).to(images.dtype)
