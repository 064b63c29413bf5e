"""Augmentation of batches of images and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nas import vision_libraries
from nas.errors import UserError
from nas.tasks.draws import draws_from
from nas.tasks.spelling import hint

PRESETS = ("none", "light", "full")


class Augmentation:
    """A random change of images and masks that keeps what they mean.

    Args:
        transforms: torchvision v2 transforms, applied in order to a `tv_tensors.Image`
            N×C×H×W float32 in 0 to 1 and a `tv_tensors.Mask` N×H×W uint8.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        self._transforms = tuple(transforms)

    @classmethod
    def create(
        cls,
        preset: str,
        pairs: Sequence[tuple[int, int]],
        ignore_index: int,
        rgb: bool = True,
    ) -> Augmentation:
        """Assembles a preset.

        "light" mirrors, and changes scale and colour slightly; "full" changes them more, and turns;
        "none" does nothing. Images become larger as often as smaller: crops alone would make them
        larger, so that a network meets everything smaller in evaluation than it has learned it,
        which costs points (Touvron et al., 2019, https://arxiv.org/abs/1906.06423).

        Args:
            preset: Its name.
            pairs: Indices of the classes that a mirrored image swaps.
            ignore_index: Value in the masks of what belongs to no class.
            rgb: Whether the channels of the images are colours.

        Raises:
            UserError: If there is no such preset.
        """
        if preset == "none":
            return cls(())
        from nas.tasks.segmentation.transforms import ColourJitter, Mirror, ScaleAndTurn

        if preset == "light":
            scale = ScaleAndTurn(1.18, 1.1, 0.0, ignore_index)
            return cls((Mirror(pairs), scale, ColourJitter(0.1, rgb)))
        if preset == "full":
            scale = ScaleAndTurn(1.4, 1.2, 15.0, ignore_index)
            return cls((Mirror(pairs), scale, ColourJitter(0.3, rgb)))
        raise UserError(f"no augmentation {preset!r}; {hint(preset, PRESETS)}")

    def __call__(
        self, images: Tensor, masks: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Changes a batch, or a single image.

        Args:
            images: N×C×H×W or C×H×W, uint8.
            masks: N×H×W or H×W, uint8.
            generator: Decides the changes; torch's global state does without it, and is left
                untouched with it.

        Returns:
            New tensors of the same shapes and types.
        """
        if not self._transforms:
            return images, masks
        if images.ndim == 3:
            image, mask = self(images[None], masks[None], generator)
            return image[0], mask[0]
        if generator is None:
            return self._apply(images, masks)
        with draws_from(generator):
            return self._apply(images, masks)

    def _apply(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        image: Any = vision_libraries.tv_tensors.Image(images.float() / 255)
        mask: Any = vision_libraries.tv_tensors.Mask(masks)
        for transform in self._transforms:
            image, mask = transform(image, mask)
        pixels = image.as_subclass(Tensor).mul(255).round_().to(torch.uint8)
        return pixels, mask.as_subclass(Tensor)
