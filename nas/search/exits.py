"""Why a worker process ended."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of a worker process; 1 is Python's for an exception that nobody caught."""

    DONE = 0
    CRASHED = 1
    WRONG_USE = 2
    STOPPED = 3
    INTERRUPTED = 130
