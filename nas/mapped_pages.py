"""Bounds what the pages of mapped files take in the memory of a process.

A system takes such pages back when memory runs out, and not before: a process that goes through a
large data set comes to hold all of it, which counts against the limits of containers and clusters.
Pages that are given back stay in the system's cache as long as it has room, and are mapped again
when they are read.
"""

from __future__ import annotations

import ctypes
import mmap
import threading
import time
from pathlib import Path

from torch import Tensor

LIMIT = 2**29
"""Bytes of mapped files beyond which a process gives their pages back."""

_SMALL = 2**24
"""Bytes of a tensor that is not worth it."""
_ROUND = 0.1
_STATUS, _MAPS = Path("/proc/self/status"), Path("/proc/self/maps")
# MADV_DONTNEED of Linux: a private map of a file is read from the file again.
_NOT_NEEDED = 4

# The tensors are held, so that nothing else can lie at their addresses.
_bounded: dict[tuple[int, int], Tensor] = {}
_watching = threading.Lock()


def bound(*tensors: Tensor) -> None:
    """Has the pages of tensors that are mapped files given back beyond `LIMIT`, on Linux.

    Args:
        tensors: What is read and never written: what was written may be lost. Those that are no
            mapped files stay as they are.
    """
    if not _MAPS.exists():
        return
    for tensor in tensors:
        region = _region(tensor) if tensor.nbytes >= _SMALL else None
        if region is not None:
            _bounded[region] = tensor
    if _bounded and _watching.acquire(blocking=False):
        threading.Thread(target=_watch, daemon=True).start()


def give_back() -> None:
    """Gives the pages of all bounded tensors back to the system."""
    libc = ctypes.CDLL(None, use_errno=True)
    for start, end in list(_bounded):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _NOT_NEEDED)


def held() -> int:
    """Bytes of mapped files, libraries among them, that this process holds in memory."""
    rows = _STATUS.read_text().splitlines()
    return next((int(row.split()[1]) * 1024 for row in rows if row.startswith("RssFile:")), 0)


def _watch() -> None:
    # Libraries alone may take more than the limit.
    most = LIMIT
    while True:
        time.sleep(_ROUND)
        if held() > most:
            give_back()
            most = held() + LIMIT


def _region(tensor: Tensor) -> tuple[int, int] | None:
    """First and last address of the pages of a tensor; None if it is no private map of a file."""
    address = tensor.data_ptr()
    for row in _MAPS.read_text().splitlines():
        # Addresses, rights, offset, device, inode, and the name of a file.
        words = row.split(maxsplit=5)
        start, end = (int(word, 16) for word in words[0].split("-"))
        if start <= address < end:
            is_file = words[4] != "0" and words[1].endswith("p")
            page = mmap.PAGESIZE
            last = address + tensor.nbytes
            return (address // page * page, min(-(-last // page) * page, end)) if is_file else None
    return None
