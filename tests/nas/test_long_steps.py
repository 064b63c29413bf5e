"""What is told of steps that take long."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from nas import long_steps
from nas.long_steps import LongStep, show_in_log, tell, told_to
from nas.report.progress import EpochProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its last item."""
    times = [100.0]
    monkeypatch.setattr(long_steps.time, "monotonic", lambda: times[-1])
    return times


def test_a_long_step_is_told_now_and_then_with_the_time_left(clock: list[float]) -> None:
    told: list[str] = []
    with told_to(told.append):
        step = LongStep("reading images", 240)
        for second in range(1, 61):
            clock.append(100.0 + second)
            step.advance(4)
    assert told == [
        "reading images: 40 of 240, 4.0 a second, 50.0 s left",
        "reading images: 160 of 240, 4.0 a second, 20.0 s left",
        "reading images: all 240 in 1 min 0 s",
    ]


def test_a_short_step_is_silent(clock: list[float]) -> None:
    told: list[str] = []
    with told_to(told.append):
        step = LongStep("reading images", 2)
        for _ in range(2):
            clock.append(clock[-1] + 4)
            step.advance()
    assert told == []


def test_what_nobody_shows_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    show_in_log()
    tell("waiting")
    assert caplog.record_tuples == [("nas.long_steps", logging.INFO, "waiting")]


def test_the_progress_of_trainings_shows_other_long_steps_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = io.StringIO()
    show_in_log()
    with EpochProgress(Console(file=text, width=80)):
        tell("reading images: 1 of 2")
    tell("afterwards")
    assert text.getvalue().endswith(" reading images: 1 of 2\n")
    assert [record.message for record in caplog.records] == ["afterwards"]
