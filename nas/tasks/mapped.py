"""Images of a split that lie in files which all processes of a machine map into their memory."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from nas.files import naming_full_disks
from user_folders import private_folder

IN_MEMORY = 2**28
"""Bytes of the images of a split, and of their masks, beyond which they are mapped."""

_CHUNK = 256
_FILES = ("images.npy", "targets.npy")

Read = Callable[[Sequence[int]], tuple[Tensor, Tensor]]


def mapped(key: str, count: int, read: Read) -> tuple[Tensor, Tensor]:
    """Maps images and targets that are written to files at first use, by one process at a time.

    What is mapped takes memory only as long as the system has it to spare, and once for all
    processes. Nothing that a process writes to it is seen by another one.

    Args:
        key: A text that changes with any byte of them.
        count: How many there are, at least one.
        read: Reads some of them, by their positions.

    Raises:
        DiskFullError: If there is no room for them.
        UserError: If one cannot be read.
    """
    images = private_folder("images")
    name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    folder = images / name
    with naming_full_disks(folder), FileLock(images / f"{name}.lock"):
        found = _opened(folder, count)
        if found is None:
            _make(folder, count, read)
            found = _opened(folder, count)
    assert found is not None  # it has just been made
    return found


def _opened(folder: Path, count: int) -> tuple[Tensor, Tensor] | None:
    """The tensors of a folder, or None where it is not there, or damaged."""
    try:
        # A private copy of what is written, as a tensor cannot be read-only.
        arrays = [np.load(folder / name, mmap_mode="c", allow_pickle=False) for name in _FILES]
    except (OSError, ValueError, EOFError):
        return None
    images, targets = (torch.from_numpy(array) for array in arrays)
    return (images, targets) if len(images) == len(targets) == count else None


def _make(folder: Path, count: int, read: Read) -> None:
    # Those of processes that were killed: the lock lets nobody else write.
    for left in (folder, *folder.parent.glob(f".{folder.name}-*")):
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        # Not through a map: a full disk would kill the process instead of raising.
        with (
            (temporary / _FILES[0]).open("wb") as images,
            (temporary / _FILES[1]).open("wb") as targets,
        ):
            for start in range(0, count, _CHUNK):
                parts = read(range(start, min(start + _CHUNK, count)))
                for file, part in zip((images, targets), parts, strict=True):
                    _append(file, part.numpy(), count, first=start == 0)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _append(file: BinaryIO, part: np.ndarray, count: int, first: bool) -> None:
    if first:
        header = np.lib.format.header_data_from_array_1_0(part)
        header["shape"], header["fortran_order"] = (count, *part.shape[1:]), False
        np.lib.format.write_array_header_1_0(file, header)
    file.write(np.ascontiguousarray(part).data)
