"""What an axis is called and in which unit it counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.pareto.objectives import Objective

_TITLES = {
    "quality": "Quality",
    "reward": "Reward",
    "params": "Parameters",
    "flops": "FLOPs",
    "macs": "Multiply–accumulates",
    "latency": "Latency",
    "memory": "Memory",
    "energy": "Energy",
}
_UNITS = {"latency": "ms", "memory": "B", "energy": "mJ"}
_COUNTS = ("params", "flops", "macs", "memory")
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
    """The axis for an objective; counts get the prefix K, M, G or T that fits the largest."""
    title = objective.label or _TITLES.get(objective.name, objective.name)
    symbol = _UNITS.get(objective.name, "")
    if objective.name in _COUNTS:
        largest = np.abs(values).max(initial=0.0)
        for unit, prefix in _PREFIXES:
            if largest >= unit:
                return Scale(f"{title} ({prefix}{symbol})", unit)
    return Scale(f"{title} ({symbol})" if symbol else title)
