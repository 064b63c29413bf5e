"""The one place that seeds."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(*parts: int | str) -> Iterator[torch.Generator]:
    """Seeds torch inside the block and puts its global state back afterwards.

    Args:
        parts: Whatever names the work; the same parts give the same random numbers.

    Yields:
        A generator of its own, on the CPU, for draws that must not depend on the global one.
    """
    seed = derive(*parts)
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def derive(*parts: int | str) -> int:
    """A 63-bit seed from numbers and texts, the same on every machine."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
