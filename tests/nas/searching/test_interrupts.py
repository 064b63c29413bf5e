"""Signals raise where a search trains or waits, and are remembered elsewhere."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from nas.searching import interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def _known_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _unexpected)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _unexpected(*_: object) -> None:
    raise AssertionError("the signal is handled by nobody")


def _send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_at_once_where_nothing_holds_it(number: int) -> None:
    after = False
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        _send(number)
        after = True
    assert not after


@pytest.mark.parametrize("number", SIGNALS)
def test_a_held_signal_raises_at_the_next_place_that_allows_it(number: int) -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled(), interrupts.held():
        _send(number)
        reached.append("held")
        with interrupts.allowed():
            reached.append("allowed")
    assert reached == ["held"]


def test_a_signal_raises_within_an_allowed_block_and_is_held_after_it() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled(), interrupts.held():
        try:
            with interrupts.allowed():
                _send(signal.SIGTERM)
                reached.append("allowed")
        except KeyboardInterrupt:
            _send(signal.SIGTERM)
            reached.append("recorded")
            raise
    assert reached == ["recorded"]


def test_a_block_within_an_allowed_one_holds_again() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled(), interrupts.held():
        with interrupts.allowed(), interrupts.held():
            _send(signal.SIGTERM)
            reached.append("written")
        reached.append("after")
        interrupts.check()
        reached.append("checked")
    assert reached == ["written", "after"]


def test_a_signal_is_not_lost_in_a_finaliser(capsys: pytest.CaptureFixture[str]) -> None:
    class Resource:
        def __del__(self) -> None:
            _send(signal.SIGTERM)

    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        Resource()
        reached.append("after")
        time.sleep(60)
        reached.append("too late")
    assert reached == ["after"]
    assert capsys.readouterr().err == ""


def test_a_signal_is_not_sent_again_when_nobody_handles_it_any_more() -> None:
    class Resource:
        def __del__(self) -> None:
            _send(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        Resource()
        interrupts.check()
    # `_unexpected` would raise here.
    time.sleep(2 * interrupts._AGAIN)


def test_other_errors_of_finalisers_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    class Resource:
        def __del__(self) -> None:
            raise ValueError("wrong")

    found: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: found.append(dropped.exc_type))
    with interrupts.handled():
        Resource()
    Resource()
    assert found == [ValueError, ValueError]


def test_what_nobody_raised_is_raised_at_the_end() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        with interrupts.held():
            _send(signal.SIGINT)
        reached.append("after")
    assert reached == ["after"]


def test_an_error_of_the_block_goes_before_a_remembered_signal() -> None:
    with pytest.raises(ValueError, match="wrong"), interrupts.handled(), interrupts.held():
        _send(signal.SIGINT)
        raise ValueError("wrong")


def test_handlers_are_put_back_and_nothing_is_remembered() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        _send(signal.SIGTERM)
    assert [signal.getsignal(number) for number in SIGNALS] == before
    with interrupts.handled(), interrupts.held(), interrupts.allowed():
        interrupts.check()


def test_a_block_within_another_leaves_the_handlers_to_the_outer_one() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        with interrupts.handled():
            pass
        _send(signal.SIGTERM)


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.handled():
        _send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_neither_hold_nor_raise() -> None:
    found: list[str] = []

    def work() -> None:
        with interrupts.handled(), interrupts.held(), interrupts.allowed():
            interrupts.check()
            found.append("ran")

    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        with interrupts.held():
            _send(signal.SIGTERM)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        found.append("held")
    assert found == ["ran", "held"]


def test_without_a_handler_the_blocks_do_nothing() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        _send(signal.SIGINT)
