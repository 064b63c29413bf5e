"""The sizes of a FastNAS space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.space import SpaceError

AUXILIARY = ("cell", "classifier", "none")
ENCODER_STRIDES = (4, 8, 16, 32)

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "search": {"branches": 4, "cells": 3, "width": 48, "repeats": 1},
    "released": {"branches": 4, "cells": 3, "width": 64, "repeats": 2},
    "small": {"branches": 3, "cells": 2, "width": 48, "repeats": 1},
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the space; see `FastNAS` for their meaning.

    Raises:
        SpaceError: If a size is not a whole number of at least 1, there are more encoder outputs
            than strides, or `auxiliary` is unknown.
    """

    branches: int
    cells: int
    width: int
    repeats: int
    auxiliary: str
    encoder_outputs: int

    def __post_init__(self) -> None:
        for name in ("branches", "cells", "width", "repeats", "encoder_outputs"):
            check_positive(name, getattr(self, name))
        if self.encoder_outputs > len(ENCODER_STRIDES):
            strides = ", ".join(map(str, ENCODER_STRIDES))
            raise SpaceError(
                f"encoder_outputs must be at most {len(ENCODER_STRIDES)}, for strides {strides}, "
                f"not {self.encoder_outputs}."
            )
        if self.auxiliary not in AUXILIARY:
            choices = ", ".join(AUXILIARY)
            raise SpaceError(f"auxiliary must be one of {choices}, not {self.auxiliary!r}.")

    @property
    def encoder_strides(self) -> tuple[int, ...]:
        """Strides of the encoder outputs, in pixels of the image."""
        return ENCODER_STRIDES[: self.encoder_outputs]

    @property
    def nodes(self) -> int:
        """Number of cell layers after the first one."""
        return self.branches - 1


def check_positive(name: str, value: Any) -> None:
    """Refuses what is not a whole number of at least 1.

    Raises:
        SpaceError: With the name and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpaceError(f"{name} must be a whole number of at least 1, not {value!r}.")
