"""Images of a split that lie in files which all processes of a machine map into their memory."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from nas.files import naming_full_disks
from nas.long_steps import LongStep, tell
from nas.mapped_pages import bound
from user_folders import private_folder

IN_MEMORY = 2**28
"""Bytes of the images of a split, and of their masks, beyond which they are mapped."""

_CHUNK = 256
_FILES = ("images.npy", "targets.npy")

Read = Callable[[Sequence[int]], tuple[Tensor, Tensor]]
Add = Callable[[np.ndarray, np.ndarray], None]


def mapped(key: str, count: int, read: Read) -> tuple[Tensor, Tensor]:
    """Maps images and targets that are written to files at first use, by one process at a time.

    What is mapped takes memory only as long as the system has it to spare, once for all processes,
    and little in each of them; see `nas.mapped_pages`. It is to be read: what a process writes to
    it is seen by no other one, and may be lost.

    Args:
        key: A text that changes with any byte of them.
        count: How many there are, at least one.
        read: Reads some of them, by their positions.

    Raises:
        DiskFullError: If there is no room for them.
        UserError: If one cannot be read.
    """
    with _owned(key) as folder:
        found = _opened(folder, count)
        if found is None:
            step = LongStep("reading images", count)
            with _written(folder, count) as add:
                for start in range(0, count, _CHUNK):
                    rows = range(start, min(start + _CHUNK, count))
                    add(*(part.numpy() for part in read(rows)))
                    step.advance(len(rows))
            found = _opened(folder, count)
    assert found is not None  # it has just been made
    bound(*found)
    return found


@contextmanager
def writing(key: str, count: int) -> Iterator[Add]:
    """Writes the files of `mapped` while the same images are read for something else.

    Args:
        key: As for `mapped`.
        count: Likewise.

    Yields:
        What takes some images and targets at a time, in order. There are no files unless it is
        given all of them; it does nothing where they are there.

    Raises:
        DiskFullError: If there is no room for them.
    """
    with _owned(key) as folder:
        if _opened(folder, count) is not None:
            yield lambda images, targets: None
            return
        with _written(folder, count) as add:
            yield add


@contextmanager
def _owned(key: str) -> Iterator[Path]:
    """The folder of a key, which no other process writes meanwhile."""
    images = private_folder("images")
    name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    lock = FileLock(images / f"{name}.lock")
    with naming_full_disks(images / name):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tell("another process is reading the same images; waiting for it")
            lock.acquire()
        try:
            yield images / name
        finally:
            lock.release()


def _opened(folder: Path, count: int) -> tuple[Tensor, Tensor] | None:
    """The tensors of a folder, or None where it is not there, or damaged."""
    try:
        # A private copy of what is written, as a tensor cannot be read-only.
        arrays = [np.load(folder / name, mmap_mode="c", allow_pickle=False) for name in _FILES]
    except (OSError, ValueError, EOFError):
        return None
    images, targets = (torch.from_numpy(array) for array in arrays)
    return (images, targets) if len(images) == len(targets) == count else None


@contextmanager
def _written(folder: Path, count: int) -> Iterator[Add]:
    """Takes images and targets for the files of a folder, which is there once it has all."""
    # Those of processes that were killed: the lock lets nobody else write.
    for left in (folder, *folder.parent.glob(f".{folder.name}-*")):
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    done = 0
    try:
        # Not through a map: a full disk would kill the process instead of raising.
        with (
            (temporary / _FILES[0]).open("wb") as images,
            (temporary / _FILES[1]).open("wb") as targets,
        ):

            def add(*parts: np.ndarray) -> None:
                nonlocal done
                for file, part in zip((images, targets), parts, strict=True):
                    _append(file, part, count, first=done == 0)
                done += len(parts[0])

            yield add
        if done == count:
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _append(file: BinaryIO, part: np.ndarray, count: int, first: bool) -> None:
    if first:
        header = np.lib.format.header_data_from_array_1_0(part)
        header["shape"], header["fortran_order"] = (count, *part.shape[1:]), False
        np.lib.format.write_array_header_1_0(file, header)
    file.write(np.ascontiguousarray(part).data)
