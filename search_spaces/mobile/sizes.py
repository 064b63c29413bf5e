"""The sizes of a mobile space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search_spaces.cells.reading import check_option, check_whole
from search_spaces.space import SpaceError

ACTIVATIONS = ("relu", "relu6", "hard_swish", "silu")

DIVISOR = 8
"""Every searched width is a multiple of it, as in MobileNetV2."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "imagenet": {
        "stem_width": 32,
        "first_width": 16,
        "widths": [24, 40, 80, 96, 192, 320],
        "strides": [2, 2, 2, 2, 1, 2, 1],
        "kernels": [3, 5, 7],
        "expansions": [3, 4, 6],
        "depths": [1, 2, 3, 4],
        "width_multipliers": [0.75, 1.0, 1.25],
        "head_width": 1280,
    },
    "small_images": {
        "stem_width": 32,
        "first_width": 16,
        "widths": [24, 40, 80, 96, 192],
        "strides": [1, 1, 2, 2, 1, 2],
        "kernels": [3, 5, 7],
        "expansions": [3, 4, 6],
        "depths": [1, 2, 3],
        "width_multipliers": [0.75, 1.0, 1.25],
        "head_width": 640,
    },
    "tiny": {
        "stem_width": 16,
        "first_width": 8,
        "widths": [16, 32, 64],
        "strides": [1, 2, 2, 2],
        "kernels": [3, 5, 7],
        "expansions": [2, 3, 4],
        "depths": [1, 2],
        "width_multipliers": [0.5, 1.0, 1.5],
        "head_width": 128,
    },
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the space; see `Mobile` for their meaning.

    Raises:
        SpaceError: If one has a wrong value.
    """

    stem_width: int
    first_width: int
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    depths: tuple[int, ...]
    width_multipliers: tuple[float, ...]
    head_width: int
    activation: str

    def __post_init__(self) -> None:
        for name in ("stem_width", "first_width", "head_width"):
            check_whole(name, getattr(self, name))
        for name in ("widths", "strides", "kernels", "expansions", "depths"):
            for value in getattr(self, name):
                check_whole(f"every number of {name}", value)
        self._check_stages()
        self._check_factors()
        for name in ("kernels", "expansions", "depths", "width_multipliers"):
            _check_distinct(name, getattr(self, name))
        check_option("activation", self.activation, ACTIVATIONS)

    @property
    def stages(self) -> int:
        """Number of stages that are searched."""
        return len(self.widths)

    @property
    def stage_strides(self) -> tuple[int, ...]:
        """Stride of every searched stage."""
        return self.strides[1:]

    @property
    def options(self) -> dict[str, Any]:
        """The options as JSON holds them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def width_choices(self, stage: int) -> tuple[int, ...]:
        """The widths that stage 0, 1, ... can have, in channels; equal ones count once."""
        products = (self.widths[stage] * factor for factor in self.width_multipliers)
        return tuple(dict.fromkeys(rounded_width(product) for product in products))

    def _check_stages(self) -> None:
        if not self.widths:
            raise SpaceError("widths needs a number for every stage, and at least one stage.")
        if len(self.strides) != self.stages + 1:
            raise SpaceError(
                f"strides needs {self.stages + 1} numbers, for the stem and for every stage of "
                f"widths, not {len(self.strides)}."
            )
        for stride in self.strides:
            if stride not in (1, 2):
                raise SpaceError(f"every number of strides must be 1 or 2, not {stride}.")
        for kernel in self.kernels:
            if kernel % 2 == 0:
                raise SpaceError(f"every number of kernels must be odd, not {kernel}.")

    def _check_factors(self) -> None:
        for factor in self.width_multipliers:
            if (
                isinstance(factor, bool)
                or not isinstance(factor, (int, float))
                or not 0 < factor < math.inf
            ):
                raise SpaceError(
                    f"every number of width_multipliers must be above 0, not {factor!r}."
                )


def rounded_width(width: float) -> int:
    """The nearest multiple of `DIVISOR`, or the next where that loses more than a tenth."""
    nearest = max(DIVISOR, int(width + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < 0.9 * width else nearest


def listed(name: str, values: Any) -> tuple[Any, ...]:
    """The numbers of an option that is a list.

    Raises:
        SpaceError: If it is none.
    """
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise SpaceError(f"{name} must be a list of numbers, not {values!r}.")
    return tuple(values)


def _check_distinct(name: str, values: Sequence[Any]) -> None:
    if not values:
        raise SpaceError(f"{name} needs at least one number to choose from.")
    if len(set(values)) != len(values):
        raise SpaceError(f"{name} lists a number twice: {', '.join(map(str, values))}.")
