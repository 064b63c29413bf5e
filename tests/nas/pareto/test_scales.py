from __future__ import annotations

import numpy as np
import pytest

from nas.pareto.objectives import Objective
from nas.pareto.scales import scale_of


@pytest.mark.parametrize(
    ("unit", "prefixed", "largest", "label", "size"),
    [
        ("", True, 5.6e9, "Size (G)", 1e9),
        ("", True, 9.9e8, "Size (M)", 1e6),
        ("", True, 3.1e5, "Size (K)", 1e3),
        ("", True, 12.0, "Size", 1.0),
        ("", False, 5e9, "Size", 1.0),
        ("ms", False, 1800.0, "Size (ms)", 1.0),
        ("B", True, 3.2e6, "Size (MB)", 1e6),
        ("B", True, 320.0, "Size (B)", 1.0),
    ],
)
def test_label_and_unit(unit: str, prefixed: bool, largest: float, label: str, size: float) -> None:
    objective = Objective("size", "minimise", "Size", unit, prefixed)
    scale = scale_of(objective, np.array([largest / 10, largest]))
    assert (scale.label, scale.unit) == (label, size)


def test_an_objective_without_a_label_is_called_by_its_name() -> None:
    assert scale_of(Objective("weight", "minimise"), np.array([5e9])).label == "weight"
