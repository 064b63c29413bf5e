from __future__ import annotations

import numpy as np
import pytest

from nas.pareto.objectives import Objective
from nas.pareto.scales import scale_of


@pytest.mark.parametrize(
    ("name", "largest", "label", "unit"),
    [
        ("flops", 5.6e9, "FLOPs (G)", 1e9),
        ("flops", 9.9e8, "FLOPs (M)", 1e6),
        ("macs", 1e9, "Multiply–accumulates (G)", 1e9),
        ("params", 3.1e5, "Parameters (K)", 1e3),
        ("params", 2.1e6, "Parameters (M)", 1e6),
        ("params", 12.0, "Parameters", 1.0),
        ("latency", 1800.0, "Latency (ms)", 1.0),
        ("quality", 0.6, "Quality", 1.0),
        ("memory", 3.2e6, "Memory (MB)", 1e6),
        ("memory", 320.0, "Memory (B)", 1.0),
        ("energy", 5e9, "Energy (mJ)", 1.0),
        ("weight", 5e9, "weight", 1.0),
    ],
)
def test_label_and_unit(name: str, largest: float, label: str, unit: float) -> None:
    scale = scale_of(Objective(name, "minimise"), np.array([largest / 10, largest]))
    assert (scale.label, scale.unit) == (label, unit)


def test_a_label_of_ones_own_keeps_the_unit() -> None:
    objective = Objective("latency", "minimise", "Latency on one core")
    assert scale_of(objective, np.array([3.0])).label == "Latency on one core (ms)"
