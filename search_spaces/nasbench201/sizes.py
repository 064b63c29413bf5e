"""The sizes of a NAS-Bench-201 space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.cells.reading import check_option, check_whole
from search_spaces.cells.stem import STEMS

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "published": {"channels": 16, "cells": 5, "stem": "cifar"},
    "small": {"channels": 8, "cells": 2, "stem": "cifar"},
    "imagenet": {"channels": 16, "cells": 5, "stem": "imagenet"},
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the space; see `NASBench201` for their meaning.

    Raises:
        SpaceError: If a size is not a whole number of at least 1, or the stem is unknown.
    """

    channels: int
    cells: int
    stem: str

    def __post_init__(self) -> None:
        check_whole("channels", self.channels)
        check_whole("cells", self.cells)
        check_option("stem", self.stem, STEMS)

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels of the three stages."""
        return self.channels, 2 * self.channels, 4 * self.channels

    @property
    def stem_stride(self) -> int:
        """Stride of the first stage, in pixels of the image."""
        return 4 if self.stem == "imagenet" else 1
