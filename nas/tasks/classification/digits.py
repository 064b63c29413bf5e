"""The built-in task `digits`: the handwritten digits that come with scikit-learn.

1797 images of 8x8 pixels, the test part of Alpaydin and Kaynak 1998,
https://archive.ics.uci.edu/dataset/80.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal

import numpy as np
from pydantic import Field

from nas.errors import UserError
from nas.settings import validate
from nas.tasks.classification.array_source import ArraySource
from nas.tasks.classification.settings import DrawSettings
from nas.tasks.classification.splits import deal
from nas.tasks.classification.task import ClassificationTask
from nas.tasks.inputs import named_inputs

_WHITE = 16


class DigitsSettings(DrawSettings):
    """The options of the task `digits`.

    Attributes:
        size: Side in pixels that the images are resized to.
        channels: "grey" for one channel, "rgb" for three equal ones.
        mirror: Whether a digit may be mirrored.
    """

    size: int = Field(default=32, ge=8, le=512)
    channels: Literal["rgb", "grey"] = "rgb"
    mirror: bool = True


def load_digits(**options: Any) -> ClassificationTask:
    """Builds the task.

    Args:
        **options: Fields of `DigitsSettings`.

    Raises:
        UserError: If an option is unknown or has a wrong value, or scikit-learn is not installed.
    """
    settings = validate(DigitsSettings, options, "task digits")
    images, labels = _read()
    size = (settings.size, settings.size)
    names = [f"digit{index:04d}" for index in range(len(labels))]
    inputs = named_inputs(settings.channels)
    rows = np.arange(len(labels))
    whole = ArraySource(lambda: images, rows, names, labels, size, sum(inputs.values()))
    return ClassificationTask(
        name="digits",
        classes=tuple(str(label) for label in range(10)),
        input_size=size,
        sources=deal({"train": whole}, settings, "task digits"),
        inputs=inputs,
        normalisation=None,
        mirror=settings.mirror,
    )


def _read() -> tuple[np.ndarray, np.ndarray]:
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError as error:
        raise UserError(
            "the task 'digits' needs scikit-learn; install the extra: "
            'pip install "nas-toolkit[digits]".'
        ) from error
    digits = datasets.load_digits()
    images = np.rint(digits.images * (255 / _WHITE)).astype(np.uint8)
    return images, digits.target.astype(np.int64)
