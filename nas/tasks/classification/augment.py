"""Augmentation of batches of images that have one class each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nas import vision_libraries
from nas.errors import UserError
from nas.tasks.classification.augmentation import AugmentationSettings
from nas.tasks.classification.crops import mirror, pad_crop, resized_crop
from nas.tasks.classification.photos import random_crops
from nas.tasks.draws import draws_from

_POLICIES = {
    "rand_augment": "RandAugment",
    "auto_augment": "AutoAugment",
    "trivial_augment_wide": "TrivialAugmentWide",
    "aug_mix": "AugMix",
}
_POLICY_CHANNELS = (1, 3)
_SCALE = (0.08, 1.0)


class Augment:
    """A random change of images, drawn anew for each of them: crop, mirror, policy.

    Args:
        settings: Which changes.
        input_size: Height and width of the images in pixels.
        channels: Channels of the images.
        has_photos: Whether there are larger ones to cut from.
        mirror: Whether images may be mirrored at all.

    Raises:
        UserError: If the padding is as large as the images, there is nothing larger to cut from, or
            a policy cannot change so many channels.
    """

    def __init__(
        self,
        settings: AugmentationSettings,
        input_size: tuple[int, int],
        channels: int = 3,
        has_photos: bool = False,
        mirror: bool = True,
    ) -> None:
        if settings.crop == "random" and not has_photos:
            raise UserError(
                "crop 'random' cuts images out of larger photos, and this task keeps none; give it "
                "a short_side above its input_size, or choose crop 'pad'."
            )
        self._size = input_size
        shortest = min(input_size)
        self._padding = settings.padding or max(round(shortest / 8), 1)
        if settings.crop == "pad" and self._padding >= shortest:
            raise UserError(
                f"padding {self._padding} would leave nothing of images of "
                f"{input_size[0]}x{input_size[1]} pixels; lower it."
            )
        self._crop = settings.crop
        self._scale = settings.scale or _SCALE
        self._flip = settings.flip and mirror
        self._policy: Callable[[Tensor], Tensor] | None = None
        if settings.policy != "none":
            if channels not in _POLICY_CHANNELS:
                raise UserError(
                    f"policy {settings.policy!r} is made for images of 1 or 3 channels, and these "
                    f"have {channels}; choose policy 'none', or the augmentation 'light'."
                )
            self._policy = getattr(vision_libraries.v2, _POLICIES[settings.policy])()

    def __call__(self, images: Tensor | Sequence[Tensor], generator: torch.Generator) -> Tensor:
        """Changes a batch.

        Args:
            images: N×C×H×W uint8; for crop "random" the photos, each C×h×w.
            generator: Decides the changes; torch's global state is left untouched.

        Returns:
            N×C×H×W uint8; the same tensor if nothing is to be changed.
        """
        with draws_from(generator):
            if not isinstance(images, Tensor):
                images = random_crops(images, self._size)
            elif self._crop == "pad":
                images = pad_crop(images, self._padding)
            elif self._crop == "resized":
                images = resized_crop(images, self._scale)
            if self._flip:
                images = mirror(images)
            if self._policy is not None and len(images):
                # A policy draws once for all that it is given.
                images = torch.stack([self._policy(image) for image in images])
        return images
