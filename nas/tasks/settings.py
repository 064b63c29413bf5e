"""What a task.yaml says of any kind of task."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from nas.errors import UserError
from nas.settings import Settings
from nas.tasks.inputs import Channels, named_inputs
from nas.tasks.listing import below, leads_out
from nas.tasks.normalisation import IMAGENET, Normalisation
from nas.tasks.reading import ImageReader

# What YAML 1.1 reads these words as; a class may well have such a name.
_WORDS = {False: "no", True: "yes"}


def with_text(names: Iterable[Any]) -> None:
    """Refuses names of classes that YAML has taken for something else.

    Raises:
        ValueError: With the way to write the first of them.
    """
    for name in names:
        if isinstance(name, bool):
            word = _WORDS[name]
            raise ValueError(
                f"YAML reads {word} without quotes as {str(name).lower()}; put `{word}` in quotes"
            )
        if not isinstance(name, str):
            raise ValueError(f"YAML reads a name as {name!r}; put the name in quotes")


class ImageSettings(Settings):
    """What the images of a task are.

    Attributes:
        name: The task's name in reports.
        channels: "rgb", "grey", or the number of channels of multi-band files: TIFF, or arrays
            (.npy) H×W×C uint8.
        mean: Mean of each channel in 0 to 1, for normalisation. Unless given it is ImageNet's for
            photographs in colour, and that of the train split for others.
        std: Standard deviation of each channel in 0 to 1, likewise.
        value_range: Values that become black and white, for files of more than 8 bits per
            channel, for example ``[0, 4095]``. Unless given it is that of the file's type, which
            files of floats do not have.
        paths_outside: Whether the paths below `root`, and those in list files, may lead out of the
            folders of the task, by ``..`` or as absolute ones.
    """

    name: str = Field(min_length=1)
    channels: Channels = "rgb"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    value_range: tuple[float, float] | None = None
    paths_outside: bool = False

    @property
    def reader(self) -> ImageReader:
        """What reads the image files."""
        return ImageReader(self.channels, self.value_range)

    @property
    def inputs(self) -> dict[str, int]:
        """The named inputs of an image, and the channels of each."""
        return named_inputs(self.channels)

    @property
    def given_normalisation(self) -> Normalisation | None:
        """Mean and standard deviation if they are given."""
        return None if self.mean is None or self.std is None else (self.mean, self.std)

    @property
    def usual_normalisation(self) -> Normalisation | None:
        """That of photographs in colour; None for what has to be measured."""
        return IMAGENET if self.channels == "rgb" else None

    def place(self, path: Path | None, key: str, root: Path) -> Path:
        """Where a folder or a list is that the task.yaml names.

        Args:
            path: As it has it; None is the folder of the data itself.
            key: What names it, for the message.
            root: Folder of the data.

        Raises:
            UserError: If it is elsewhere, and that is not allowed.
        """
        self.check_inside(str(path or ""), f"task {self.name}: {key}", root)
        return below(root, path or "")

    def check_inside(self, name: str, where: str, *folders: Path) -> None:
        """Refuses what is named outside the folders of the task, unless that is allowed.

        Args:
            name: As a list or the task.yaml has it.
            where: The list and the line, or the key, for the message.
            folders: Of the task; what relative names start from is the first of them.

        Raises:
            UserError: If it is refused.
        """
        if not self.paths_outside and leads_out(name, *folders):
            raise UserError(
                f"{where} names {name!r}, which is outside {folders[0]}; correct it, or write "
                "paths_outside: true in the task.yaml if you trust whoever wrote that."
            )

    @field_validator("mean")
    @classmethod
    def _check_mean(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not all(0 <= mean <= 1 for mean in value):
            raise ValueError("pixels are counted from 0 to 1, and so are their means")
        return value

    @field_validator("value_range")
    @classmethod
    def _check_range_of_values(
        cls, value: tuple[float, float] | None
    ) -> tuple[float, float] | None:
        if value is not None and not (math.isfinite(value[1] - value[0]) and value[0] < value[1]):
            raise ValueError("the second value must be the larger one, and both be finite")
        return value

    @field_validator("std")
    @classmethod
    def _check_std(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not all(std > 0 for std in value):
            raise ValueError("every standard deviation must be positive")
        return value

    @model_validator(mode="after")
    def _check_normalisation(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together; give both or none")
        channels = sum(self.inputs.values())
        for key in ("mean", "std"):
            values = getattr(self, key)
            if values is not None and len(values) != channels:
                raise ValueError(
                    f"{key}: {len(values)} values, but images have {channels} channels; give one "
                    "for each"
                )
        return self
