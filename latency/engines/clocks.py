"""Clocks that a run is timed with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch

from latency.devices.device import Placement

Run = Callable[[], object]
"""Runs a network once and returns when the device is done."""

_NANOSECONDS_PER_MS = 1e6
_FINE = 1e-6
"""Seconds between two ticks that a thread's clock may have at most."""


class Timing(NamedTuple):
    """How long a run took, the mean of a few where they were timed together.

    Attributes:
        ms: Milliseconds by the clock.
        wall_ms: Milliseconds of wall time.
    """

    ms: float
    wall_ms: float


class Clock(Protocol):
    """Times a run."""

    @property
    def name(self) -> str:
        """How a record names it."""

    def time(self, run: Run, repeats: int = 1) -> Timing:
        """Runs so often in a row and tells the mean."""


class WallClock:
    """Time that passes, including that of other processes on the processor."""

    name = "wall"

    def time(self, run: Run, repeats: int = 1) -> Timing:
        """Runs so often in a row and tells the mean."""
        start = time.perf_counter_ns()
        for _ in range(repeats):
            run()
        wall = (time.perf_counter_ns() - start) / _NANOSECONDS_PER_MS / repeats
        return Timing(wall, wall)


class ThreadClock:
    """Processor time of the calling thread.

    For a run that stays in one thread and never waits, this is the wall time on an idle core. What
    another process does on the same core is not in it; what it does to caches and clocks is.
    """

    name = "thread"

    def time(self, run: Run, repeats: int = 1) -> Timing:
        """Runs so often in a row and tells the mean."""
        wall, thread = time.perf_counter_ns(), time.thread_time_ns()
        for _ in range(repeats):
            run()
        thread = time.thread_time_ns() - thread
        wall = time.perf_counter_ns() - wall
        per_run = 1 / (_NANOSECONDS_PER_MS * repeats)
        return Timing(thread * per_run, wall * per_run)


class CudaClock:
    """The GPU's own time between two events on a stream.

    Args:
        stream: The run is made on it.
    """

    name = "cuda"

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._stream = stream

    def time(self, run: Run, repeats: int = 1) -> Timing:
        """Runs so often in a row and tells the mean."""
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        wall = time.perf_counter_ns()
        # The stream in use may be that of another network which is ready to run too.
        with torch.cuda.stream(self._stream):
            begin.record(self._stream)
            for _ in range(repeats):
                run()
            end.record(self._stream)
        end.synchronize()
        wall = time.perf_counter_ns() - wall
        return Timing(begin.elapsed_time(end) / repeats, wall / _NANOSECONDS_PER_MS / repeats)


def cpu_clock(placement: Placement) -> Clock:
    """The clock for runs on a CPU: the thread's where one thread does all the work."""
    fine = time.get_clock_info("thread_time").resolution <= _FINE
    return ThreadClock() if placement.threads == 1 and fine else WallClock()
