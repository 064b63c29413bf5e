"""What a layout finds in a folder."""

from __future__ import annotations

from dataclasses import dataclass

from nas.errors import UserError
from nas.tasks.classification.settings import ClassificationSettings
from nas.tasks.classification.source import ClassificationSource
from nas.tasks.normalisation import Normalisation

_CENTRE_CROP = 0.875
_SIZE = (224, 224)


@dataclass(frozen=True)
class Found:
    """The labelled images of a data set.

    Attributes:
        classes: Name of each class, in the order of the labels.
        sources: The images of each split that the data set has, "train" among them.
        input_size: Height and width in pixels that they are brought to.
        normalisation: Of the images, unless another is given; None to measure it.
    """

    classes: tuple[str, ...]
    sources: dict[str, ClassificationSource]
    input_size: tuple[int, int]
    normalisation: Normalisation | None


def photo_size(settings: ClassificationSettings) -> tuple[tuple[int, int], float]:
    """Height and width, and the centre crop, of layouts of photographs.

    Raises:
        UserError: If the photos that are to be kept would be smaller.
    """
    crop, size, side = settings.centre_crop, settings.input_size or _SIZE, settings.short_side
    if side is not None and side < max(size):
        raise UserError(
            f"task {settings.name}: photos with a short_side of {side} pixels are too small to cut "
            f"{size[0]}x{size[1]} out of them; raise it, or remove it."
        )
    return size, _CENTRE_CROP if crop is None else crop


def renamed(classes: tuple[str, ...], settings: ClassificationSettings) -> tuple[str, ...]:
    """The names that the settings give the classes, or else those that the data give.

    Raises:
        UserError: If their number differs.
    """
    names = settings.classes
    if names and len(names) != len(classes):
        raise UserError(
            f"task {settings.name}: classes has {len(names)} names, but the data have "
            f"{len(classes)} classes."
        )
    return names or classes
