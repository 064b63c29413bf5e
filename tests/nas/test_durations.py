"""Durations as people write and read them."""

from __future__ import annotations

import pytest

from nas.durations import duration, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("1h30m", 5400), ("45 min", 2700), ("90s", 90), ("1.5 h", 5400), (12.5, 12.5)],
)
def test_a_duration_is_read_as_people_write_it(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2 days", "2h x", "-2h", "2"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="no duration"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.04, "5.0 s"), (125.0, "2 min 5 s"), (7260.0, "2 h 1 min")]
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
