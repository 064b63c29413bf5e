"""The cores of this machine that belong to this process."""

from __future__ import annotations

import os


def available_cpus() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
