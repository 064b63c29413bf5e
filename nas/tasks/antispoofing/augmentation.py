"""Settings of the augmentation of faces."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from nas.errors import UserError
from nas.tasks.classification.augmentation import PRESETS, AugmentationSettings
from nas.tasks.spelling import hint


class FaceAugmentationSettings(AugmentationSettings):
    """How faces are changed at random; nothing unless given.

    Crops, mirroring and rotation move all modalities of a face together, as they are registered.
    Brightness and contrast are drawn for each modality by itself, as each has its own sensor.

    Attributes:
        rotation: Largest angle in degrees, either way.
        brightness: Largest relative change of the mean, either way.
        contrast: Largest relative change of the distances to the mean, either way.
    """

    rotation: float = Field(default=0.0, ge=0, le=180)
    brightness: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)

    @classmethod
    def preset(cls, name: str) -> Self:
        """The settings "none", "light" (slight shifts, mirrored) or "full".

        Raises:
            UserError: If there is no such preset.
        """
        if name == "none":
            return cls()
        if name == "light":
            return cls(crop="pad", flip=True)
        if name == "full":
            return cls(
                crop="resized",
                scale=(0.6, 1.0),
                flip=True,
                rotation=30,
                brightness=0.2,
                contrast=0.2,
            )
        raise UserError(f"no augmentation {name!r}; {hint(name, PRESETS)}")

    @model_validator(mode="after")
    def _no_policy(self) -> Self:
        if self.policy != "none":
            raise ValueError(
                f"policy {self.policy!r} changes the colours of photographs alone; use brightness "
                "and contrast, which every modality has"
            )
        return self
