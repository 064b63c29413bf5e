"""The candidates of searches at two rungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class RungScores:
    """The candidates of one search at two rungs.

    Args:
        name: What a legend calls the search.
        both: N×2 qualities, at the earlier and the later rung.
        cut_short: Qualities at the earlier rung of those that did not reach the later one.
        note: What is written beside them, such as their rank correlation.
    """

    name: str
    both: npt.NDArray[np.float64]
    cut_short: npt.NDArray[np.float64]
    note: str = ""


@dataclass(frozen=True)
class RungPanel:
    """Two rungs, and the candidates of one or several searches there."""

    early: str
    late: str
    searches: tuple[RungScores, ...]
