"""The sizes of a template space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.cells.reading import check_whole
from search_spaces.space import SpaceError

ENCODER_STRIDES = (4, 8, 16, 32)

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "search": {
        "templates": 3,
        "layers": 7,
        "max_repeats": 4,
        "width": 48,
        "separable_repeats": 1,
    },
    "released": {
        "templates": 3,
        "layers": 7,
        "max_repeats": 4,
        "width": 64,
        "separable_repeats": 2,
    },
    "small": {
        "templates": 2,
        "layers": 4,
        "max_repeats": 2,
        "width": 48,
        "separable_repeats": 1,
    },
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the space; see `Template` for their meaning.

    Raises:
        SpaceError: If a size is not a whole number of at least 1, or there are more encoder outputs
            than strides.
    """

    templates: int
    layers: int
    max_repeats: int
    width: int
    separable_repeats: int
    encoder_outputs: int

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            check_whole(name, getattr(self, name))
        if self.encoder_outputs > len(ENCODER_STRIDES):
            strides = ", ".join(map(str, ENCODER_STRIDES))
            raise SpaceError(
                f"encoder_outputs must be at most {len(ENCODER_STRIDES)}, for strides {strides}, "
                f"not {self.encoder_outputs}."
            )

    @property
    def encoder_strides(self) -> tuple[int, ...]:
        """Strides of the encoder outputs, in pixels of the image."""
        return ENCODER_STRIDES[: self.encoder_outputs]

    @property
    def first_half(self) -> int:
        """Number of layers that may have a stride and aggregate at the coarser resolution."""
        return self.layers // 2

    def positions_before(self, layer: int) -> int:
        """Number of maps that layer 0, 1, ... may read."""
        return self.encoder_outputs + layer
