"""Refuses data that would not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nas.errors import UserError
from nas.tasks.classification.photos import MEAN_AREA
from nas.tasks.dataset import ImageSource

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def check_memory(
    name: str,
    sources: Mapping[str, ImageSource],
    input_size: tuple[int, int],
    channels: int,
    short_side: int | None = None,
) -> None:
    """Refuses a task whose images would take more than half of the memory.

    Args:
        name: The task's name, for the message.
        sources: The images of each split.
        input_size: Height and width of each in pixels.
        channels: Channels of each.
        short_side: Of photos that are kept as well, in pixels.

    Raises:
        UserError: If they would.
    """
    memory = total_memory()
    if memory is None:
        return
    count = sum(len(source.names) for source in sources.values())
    in_memory = sum(len(one.names) for one in sources.values() if not one.is_mapped)
    height, width = input_size
    kept = 0.0 if short_side is None else MEAN_AREA * short_side**2
    needed = channels * (in_memory * height * width + count * kept)
    if needed > memory / 2:
        raise UserError(
            f"task {name}: {count} images of {height}x{width} pixels take "
            f"{needed / 2**30:.1f} GiB, and half of the memory is {memory / 2**31:.1f} GiB; choose "
            "a smaller input_size or short_side, or fewer images with train, validation and test."
        )


def total_memory() -> int | None:
    """Bytes that this machine, or the container around this process, has; None if unknown."""
    known = [memory for memory in (_machine_memory(), _container_memory()) if memory is not None]
    return min(known, default=None)


def _machine_memory() -> int | None:
    # Windows has no sysconf.
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _container_memory() -> int | None:
    try:
        text = _CONTAINER_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
