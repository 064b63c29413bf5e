"""The contents of a task.yaml of kind antispoofing."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from nas.tasks.inputs import Channels, named_inputs
from nas.tasks.settings import ImageSettings

LABEL, ATTACK_TYPE, SUBJECT = "label", "attack", "subject"
_MEANINGS = (LABEL, ATTACK_TYPE, SUBJECT)


class AntiSpoofingSettings(ImageSettings):
    """Faces in files, told by one list for each split.

    A line of a list has a field for each of `columns`, divided by blanks. The fields of modalities
    are files below `root`, or `absent`.

    Attributes:
        root: Folder of the files; relative to the task.yaml.
        train: List of the faces to learn from; relative to `root`, like the others.
        validation: List of those that guide a search and choose the best epoch.
        test: List of those to test on.
        modalities: Names of the modalities, and how the files of each are read: "rgb", "grey" or a
            number of channels.
        columns: What the fields of a line are: the modalities, ``label`` (1 for a live face, 0 for
            an attack), and perhaps ``attack`` and ``subject``. The modalities in order and
            ``label`` unless given.
        absent: What a list has in place of the file of a modality that is missing.
        fill: Value of the pixels of a modality that is missing, from 0 to 255.
        input_size: Height and width in pixels that the images are brought to.
    """

    root: Path = Path()
    train: Path
    validation: Path
    test: Path
    modalities: dict[str, Channels] = Field(min_length=1)
    columns: tuple[str, ...] = ()
    absent: str = Field(default="-", min_length=1)
    fill: int = Field(default=0, ge=0, le=255)
    input_size: tuple[int, int] = (112, 112)

    @property
    def inputs(self) -> dict[str, int]:
        return {name: sum(named_inputs(how).values()) for name, how in self.modalities.items()}

    @property
    def fields(self) -> tuple[str, ...]:
        """What the fields of a line are."""
        return self.columns or (*self.modalities, LABEL)

    @field_validator("input_size")
    @classmethod
    def _check_size(cls, value: tuple[int, int]) -> tuple[int, int]:
        if min(value) < 8:
            raise ValueError("height and width must be at least 8 pixels")
        return value

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if "channels" in self.model_fields_set:
            raise ValueError("channels: every modality has its own; give them in modalities")
        taken = [name for name in self.modalities if name in _MEANINGS or name.split() != [name]]
        if taken:
            raise ValueError(f"modalities: {taken[0]!r} cannot be the name of a modality")
        for name in self.fields:
            if name not in (*self.modalities, *_MEANINGS):
                raise ValueError(
                    f"columns: {name!r} is neither a modality nor one of {', '.join(_MEANINGS)}"
                )
            if self.fields.count(name) > 1:
                raise ValueError(f"columns: {name!r} occurs twice")
        for name in (*self.modalities, LABEL):
            if name not in self.fields:
                raise ValueError(f"columns: {name!r} is missing")
        return self
