"""How long the parts of an evaluation take."""

from __future__ import annotations

import time


class Clock:
    """Adds up seconds by part.

    Attributes:
        laps: Seconds of each part so far.
    """

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Ends a part; the next one begins."""
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now
