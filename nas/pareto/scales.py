"""What an axis is called and in which unit it counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.pareto.objectives import Objective

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"))


@dataclass(frozen=True)
class Scale:
    """An axis: its label with the unit, and the value of one unit."""

    label: str
    unit: float = 1.0

    def apply(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Values in the unit of the axis."""
        return values / self.unit


def scale_of(objective: Objective, values: npt.NDArray[np.float64]) -> Scale:
    """The axis for an objective, with the prefix that fits the largest value where it has one."""
    title, symbol = objective.label or objective.name, objective.unit
    if objective.prefixed:
        largest = np.abs(values).max(initial=0.0)
        for unit, prefix in _PREFIXES:
            if largest >= unit:
                return Scale(f"{title} ({prefix}{symbol})", unit)
    return Scale(f"{title} ({symbol})" if symbol else title)
