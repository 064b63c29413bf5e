"""Where a search may be interrupted.

Python raises KeyboardInterrupt between any two of its steps, even between opening a transaction and
noting that it is open. Nobody then releases the lock on the database, and recording the
interruption waits for that lock. A search therefore raises it only where it trains or waits;
elsewhere the signal is remembered, and raised at the next such place.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

# What Ctrl-C sends, what a parent, a container or a batch system sends, and what a terminal sends
# that is closed.
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
# What tells the main thread that a candidate takes more than it may; not everywhere.
_ALARM = getattr(signal, "SIGALRM", None)
# Seconds after which a signal whose exception was lost is sent again; finalisers end sooner.
_AGAIN = 0.1


class OverrunError(Exception):
    """What runs takes more than it may; the message is the reason."""


class _Signals:
    """How this process handles signals, and whether it has received one."""

    def __init__(self) -> None:
        self.handled = False
        self.allowed = True
        self.told = False
        self.reason: str | None = None
        self.number = int(signal.SIGINT)
        self._timer: threading.Timer | None = None
        self._tell_of: Callable[[sys.UnraisableHookArgs], object] = sys.unraisablehook

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.told, self.number = True, number
        if self.allowed:
            raise KeyboardInterrupt

    def overrun(self, number: int, frame: FrameType | None) -> None:
        if self.allowed and self.reason is not None:
            raise OverrunError(self.reason)

    @contextmanager
    def allowing(self, allowed: bool) -> Iterator[None]:
        before, self.allowed = self.allowed, allowed
        try:
            yield
        finally:
            self.allowed = before

    @contextmanager
    def none_lost(self) -> Iterator[None]:
        """Sends a signal again that was raised in a finaliser, where Python drops exceptions."""
        self._tell_of = sys.unraisablehook
        sys.unraisablehook = self._again
        try:
            yield
        finally:
            sys.unraisablehook = self._tell_of
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _again(self, dropped: sys.UnraisableHookArgs) -> None:
        if not (self.told and issubclass(dropped.exc_type, KeyboardInterrupt)):
            self._tell_of(dropped)
            return
        # This is still within the finaliser, so raise later.
        self._timer = threading.Timer(_AGAIN, os.kill, (os.getpid(), self.number))
        self._timer.daemon = True
        self._timer.start()


_signals = _Signals()


@contextmanager
def handled() -> Iterator[None]:
    """Makes SIGINT and SIGTERM raise KeyboardInterrupt within the block, where that is allowed.

    It does nothing within another such block or outside of the main thread. An ignored signal
    stays ignored.

    Raises:
        KeyboardInterrupt: At the end, if a signal has been remembered and the block raised nothing.
    """
    if _signals.handled or not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]
    _signals.handled, _signals.allowed, _signals.told = True, True, False
    try:
        for number in handled:
            signal.signal(number, _signals)
        with _signals.none_lost():
            yield
    finally:
        _signals.handled = _signals.allowed = False
        for number in handled:
            # None stands for a handler that Python did not install and cannot put back.
            signal.signal(number, before[number] or signal.SIG_DFL)
    if _signals.told:
        raise KeyboardInterrupt


@contextmanager
def overrunning() -> Iterator[bool]:
    """A block that `overrun` ends, where a signal could; at most one at a time.

    Yields:
        Whether it can be ended: not outside of `handled`, or on systems without alarms.

    Raises:
        OverrunError: With the reason.
    """
    if _ALARM is None or not _in_force():
        yield False
        return
    before = signal.signal(_ALARM, _signals.overrun)
    try:
        yield True
    finally:
        signal.signal(_ALARM, before or signal.SIG_DFL)
        _signals.reason = None


def overrun(reason: str) -> None:
    """Ends the block within `overrunning`, from another thread; the block must not have ended."""
    _signals.reason = reason
    main = threading.main_thread().ident
    if _ALARM is not None and main is not None:
        signal.pthread_kill(main, _ALARM)


@contextmanager
def held() -> Iterator[None]:
    """Remembers a signal instead of raising it within the block; see `handled`."""
    with _signals.allowing(False) if _in_force() else nullcontext():
        yield


@contextmanager
def allowed() -> Iterator[None]:
    """Lets a signal raise within a block that is held.

    Raises:
        KeyboardInterrupt: Also at once, if a signal has been remembered.
    """
    check()
    with _signals.allowing(True) if _in_force() else nullcontext():
        yield


def received() -> int | None:
    """The last signal of the innermost block that has ended or is running; None without one."""
    return _signals.number if _signals.told else None


def check() -> None:
    """Raises a remembered signal.

    Raises:
        KeyboardInterrupt: If there is one.
        OverrunError: If a candidate has taken more than it may.
    """
    if _in_force() and _signals.told:
        raise KeyboardInterrupt
    if _in_force() and _signals.reason is not None:
        raise OverrunError(_signals.reason)


def _in_force() -> bool:
    return _signals.handled and _in_main_thread()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
