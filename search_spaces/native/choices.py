"""Which of two kernels a machine uses for a shape: measured once, then kept.

Processors differ in how well PyTorch's kernels use them, so what is slower on one is faster on
another. Both kernels compute the same to rounding; a choice by the clock of the moment would let
the scores of one candidate differ from run to run. It is made once per machine and shape, kept in
the user's cache beside the compiled kernels, and then the same in every run and every process.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from search_spaces.native import library
from user_folders import open_own, private_folder

_CLEAR = 1.5
"""By how much PyTorch's kernel must be faster to be taken.

What is nearly as fast is native on every machine and under any load, so that a cache that is lost
is most likely made again as it was.
"""
_TURNS = 5


def prefers_native(key: str, native: Callable[[], object], standard: Callable[[], object]) -> bool:
    """Whether the native kernel is used.

    Args:
        key: Operation and shape.
        native: Runs our kernel on such tensors, if it has to be measured.
        standard: Runs PyTorch's.
    """
    known = _known()
    if key not in known:
        _keep(key, is_clearly_faster(standard, native))
    return not known[key]


def standard_shapes() -> list[str]:
    """Operations and shapes for which this machine uses PyTorch's kernels."""
    return sorted(key for key, standard in _known().items() if standard)


def is_clearly_faster(one: Callable[[], object], other: Callable[[], object]) -> bool:
    """Whether something takes clearly less processor time than something else, in turns."""
    times = [float("inf"), float("inf")]
    for _ in range(_TURNS):
        for index, run in enumerate((one, other)):
            # Of this thread, as others make it wait.
            start = time.thread_time_ns()
            run()
            times[index] = min(times[index], time.thread_time_ns() - start)
    return times[0] * _CLEAR < times[1]


@functools.cache
def _known() -> dict[str, bool]:
    """By operation and shape, whether PyTorch's kernel is used."""
    return _read(_path())


def _keep(key: str, standard: bool) -> None:
    """Keeps a choice, unless another process was first: then that one's counts."""
    found = {key: standard}
    path = _path()
    try:
        with FileLock(path.with_suffix(".lock")):
            found |= _read(path)
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps(found, indent=0), encoding="utf-8")
            temporary.replace(path)
    except OSError:
        # Where nothing can be written, the choice lasts as long as this process.
        pass
    for other, choice in found.items():
        _known().setdefault(other, choice)


def _read(path: Path) -> dict[str, bool]:
    try:
        with open_own(path) as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    valid = isinstance(found, dict) and all(isinstance(value, bool) for value in found.values())
    return found if valid else {}


def _path() -> Path:
    return private_folder("native") / f"choices-{library.key()}.json"
