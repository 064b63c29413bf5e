"""Tells how far a step has come that takes more than a few seconds and counts what it has done.

Whoever shows progress takes the sentences by `told_to`; otherwise they go to the log of this
module, at the level INFO.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nas.durations import duration

_EVERY = 30.0
"""Seconds from one word to the next."""

_logger = logging.getLogger(__name__)
_listeners: list[Callable[[str], None]] = []


class LongStep:
    """A step that counts, such as the reading of many images.

    Args:
        what: What is done, for example "reading images".
        total: How many there are.
        first: Seconds before the first word: shorter steps are silent.
    """

    def __init__(self, what: str, total: int, first: float = 10.0) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._began = time.monotonic()
        self._next = self._began + first
        # Of the last word: how fast it is now tells better how long the rest takes.
        self._then, self._before = self._began, 0

    def advance(self, count: int = 1) -> None:
        """Counts what was done since the last call, and says so now and then."""
        self._done += count
        now = time.monotonic()
        if self._done >= self._total:
            if self._before:
                tell(f"{self._what}: all {self._total} in {duration(now - self._began)}")
        elif now >= self._next:
            rate = (self._done - self._before) / (now - self._then)
            left = duration((self._total - self._done) / rate)
            pace = f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each"
            tell(f"{self._what}: {self._done} of {self._total}, {pace}, {left} left")
            self._next = now + _EVERY
            self._then, self._before = now, self._done


def tell(sentence: str) -> None:
    """Says something of a step that takes long."""
    if _listeners:
        _listeners[-1](sentence)
    else:
        _logger.info(sentence)


@contextmanager
def told_to(say: Callable[[str], None]) -> Iterator[None]:
    """Has what is told within the block told to a function instead of to the log."""
    _listeners.append(say)
    try:
        yield
    finally:
        _listeners.remove(say)


def show_in_log() -> None:
    """Lets the log of this process have what nobody else shows."""
    _logger.setLevel(logging.INFO)
