"""The sizes of a DARTS space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.cells.reading import check_option, check_whole
from search_spaces.cells.stem import STEMS

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "search": {"channels": 16, "layers": 8, "stem_multiplier": 3, "stem": "cifar"},
    "published": {"channels": 36, "layers": 20, "stem_multiplier": 3, "stem": "cifar"},
    "published_imagenet": {"channels": 48, "layers": 14, "stem_multiplier": 1, "stem": "imagenet"},
    "small": {"channels": 8, "layers": 5, "stem_multiplier": 3, "stem": "cifar"},
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the space; see `DARTS` for their meaning.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    channels: int
    layers: int
    nodes: int
    stem_multiplier: int
    stem: str

    def __post_init__(self) -> None:
        # Halves of the channels come from two convolutions where a map is halved.
        check_whole("channels", self.channels, least=2, multiple_of=2)
        # Fewer cells have no three stages.
        check_whole("layers", self.layers, least=3)
        check_whole("nodes", self.nodes)
        check_whole("stem_multiplier", self.stem_multiplier)
        check_option("stem", self.stem, STEMS)

    @property
    def reductions(self) -> tuple[int, int]:
        """Numbers of the two reduction cells, from 0: a third and two thirds of the depth."""
        return self.layers // 3, 2 * self.layers // 3

    @property
    def stem_channels(self) -> int:
        """Channels of the stem's maps."""
        return self.stem_multiplier * self.channels

    @property
    def output_widths(self) -> tuple[int, int, int]:
        """Channels of the map after every stage, if no node of its last cell is zero."""
        first = self.nodes * self.channels
        return first, 2 * first, 4 * first

    @property
    def stem_strides(self) -> tuple[int, int]:
        """Strides of the two maps that the first cell reads, in pixels of the image."""
        return (4, 8) if self.stem == "imagenet" else (1, 1)

    def is_reduction(self, cell: int) -> bool:
        """Whether the cell of this number halves its maps."""
        return cell in self.reductions

    def stage(self, cell: int) -> int:
        """Number of the stage, from 0, that the cell of this number is in."""
        return sum(cell >= reduction for reduction in self.reductions)

    def width(self, cell: int) -> int:
        """Channels of every map within the cell of this number."""
        return int(self.channels * 2 ** self.stage(cell))

    def stride(self, cell: int) -> int:
        """Stride of the output of a cell, in pixels of the image.

        Args:
            cell: Its number; -2 and -1 are the two maps of the stem.
        """
        if cell < 0:
            return self.stem_strides[cell]
        return int(self.stem_strides[1] * 2 ** self.stage(cell))
