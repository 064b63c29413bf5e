from __future__ import annotations

import pytest
from hand_made import record

from nas.search.progress import describe, duration, quantity


@pytest.mark.parametrize(
    ("value", "text"), [(12.0, "12"), (1234.0, "1.23k"), (31.25e6, "31.2M"), (2e9, "2G")]
)
def test_quantities_have_three_figures(value: float, text: str) -> None:
    assert quantity(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.04, "5.0 s"), (125.0, "2 min 5 s"), (7260.0, "2 h 1 min")]
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_tells_where_a_training_was_cut_short() -> None:
    line = describe(record(3, rungs={"epoch 2": 0.25}, stopped=True, seconds={"total": 2.0}))
    assert line == "trial 3  quality 0.2500  flops 10  cut short at epoch 2  2.0 s"


def test_a_line_tells_of_a_repeat() -> None:
    assert describe(record(3, duplicate_of=1)).endswith("repeats trial 1")
