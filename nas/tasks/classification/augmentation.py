"""Settings of the augmentation of images that have one class each."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nas.errors import UserError
from nas.settings import Settings
from nas.tasks.spelling import hint

PRESETS = ("none", "light", "full")


class AugmentationSettings(Settings):
    """How images are changed at random; nothing unless given.

    Attributes:
        crop: "random" cuts the input size out of the photos that the task keeps (`short_side`);
            "pad" surrounds an image with black and cuts out its size at random; "resized" cuts
            out a random rectangle and resizes it to the image's size (Szegedy et al. 2014,
            https://arxiv.org/abs/1409.4842).
        padding: Pixels on each side for crop "pad"; an eighth of the image's side unless given.
        scale: Smallest and largest area of the rectangle for crop "resized", as a share of the
            image's; 0.08 to 1 unless given.
        flip: Whether half of the images are mirrored, unless the task says that they must not be.
        policy: Changes of colour and shape: "rand_augment" (Cubuk et al. 2019,
            https://arxiv.org/abs/1909.13719), "auto_augment" with ImageNet's policy (Cubuk et al.
            2018, https://arxiv.org/abs/1805.09501), "trivial_augment_wide" (Müller and Hutter
            2021, https://arxiv.org/abs/2103.10158) or "aug_mix" (Hendrycks et al. 2019,
            https://arxiv.org/abs/1912.02781).
    """

    crop: Literal["none", "random", "pad", "resized"] = "none"
    padding: int | None = Field(default=None, ge=1)
    scale: tuple[float, float] | None = None
    flip: bool = False
    policy: Literal["none", "rand_augment", "auto_augment", "trivial_augment_wide", "aug_mix"] = (
        "none"
    )

    @classmethod
    def preset(cls, name: str) -> Self:
        """The settings "none", "light" (slight shifts, mirrored) or "full" (with a policy).

        Raises:
            UserError: If there is no such preset.
        """
        if name == "none":
            return cls()
        if name == "light":
            return cls(crop="pad", flip=True)
        if name == "full":
            return cls(crop="resized", scale=(0.35, 1.0), flip=True, policy="trivial_augment_wide")
        raise UserError(f"no augmentation {name!r}; {hint(name, PRESETS)}")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.padding is not None and self.crop != "pad":
            raise ValueError(f"padding belongs to crop 'pad', and crop is {self.crop!r}")
        if self.scale is not None and self.crop != "resized":
            raise ValueError(f"scale belongs to crop 'resized', and crop is {self.crop!r}")
        if self.scale is not None and not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(
                "scale: two shares of the area are needed, above 0, at most 1, the smaller first"
            )
        return self
