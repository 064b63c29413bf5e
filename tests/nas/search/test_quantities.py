from __future__ import annotations

import pytest

from nas.search.quantities import amount, quantity


@pytest.mark.parametrize(
    ("value", "text"), [(12.0, "12"), (1234.0, "1.23k"), (31.25e6, "31.2M"), (2e9, "2G")]
)
def test_quantities_have_three_figures(value: float, text: str) -> None:
    assert quantity(value) == text


@pytest.mark.parametrize(
    ("cost", "value", "text"),
    [
        ("latency", 4.996, "5 ms"),
        ("latency_ms_pixel2", 0.8, "0.8 ms"),
        ("memory", 8e6, "8 MB"),
        ("memory", 512.0, "512 B"),
        ("energy", 20.0, "20 mJ"),
        ("params", 1.5e6, "1.5M"),
    ],
)
def test_an_amount_has_the_unit_of_its_cost(cost: str, value: float, text: str) -> None:
    assert amount(cost, value) == text
