"""Reads many files: in threads, and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from nas.cores import available_cpus

Item = TypeVar("Item")
Result = TypeVar("Result")

# How many items a thread is ahead of whoever takes the results: what is read has to lie somewhere.
_AHEAD = 8


def each(read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What a function gives for each item, in their order; a thread for each core calls it.

    It pays off for what lets go of the interpreter's lock: reading and hashing files, and decoding
    and resizing images by Pillow.
    """
    cores = available_cpus()
    if cores == 1:
        yield from map(read, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(cores) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(read, item))
                if len(waiting) > _AHEAD * cores:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # After an error or an interrupt nobody wants the rest.
            for future in waiting:
                future.cancel()
