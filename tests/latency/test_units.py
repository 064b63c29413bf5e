from __future__ import annotations

import pytest

from latency.units import BYTES, COUNT, MILLIJOULES, MILLISECONDS, Unit


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (COUNT, 12.0, "12"),
        (COUNT, 1234.0, "1.23 K"),
        (COUNT, 31.25e6, "31.2 M"),
        (COUNT, 2e9, "2 G"),
        (MILLISECONDS, 4.996, "5 ms"),
        (BYTES, 8e6, "8 MB"),
        (BYTES, 512.0, "512 B"),
        (MILLIJOULES, 20.0, "20 mJ"),
    ],
)
def test_amounts_are_written_with_three_figures(unit: Unit, value: float, text: str) -> None:
    assert unit.write(value) == text
