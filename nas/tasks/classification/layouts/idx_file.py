"""Reads idx files, the format of MNIST.

Two zero bytes, the type of the values, the number of dimensions, each dimension as a 4-byte
big-endian number, and the values.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from nas.errors import UserError

_BYTES = 8
"""The type of unsigned bytes."""


def read_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """The dimensions of the array, without reading it.

    Args:
        path: The file; compressed if its suffix is .gz.
        dimensions: How many it must have.

    Raises:
        UserError: If it is not such a file.
    """
    with _opened(path) as file:
        return _shape(file, path, dimensions)


def read_array(path: Path, dimensions: int) -> np.ndarray:
    """The array, uint8.

    Args:
        path: The file; compressed if its suffix is .gz.
        dimensions: How many it must have.

    Raises:
        UserError: If it is not such a file, or ends too early or too late.
    """
    with _opened(path) as file:
        shape = _shape(file, path, dimensions)
        content = file.read()
    expected = int(np.prod(shape))
    if len(content) != expected:
        raise UserError(
            f"{path}: {len(content)} values instead of {expected}; the file is damaged."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(file: BinaryIO, path: Path, dimensions: int) -> tuple[int, ...]:
    if file.read(4) != bytes((0, 0, _BYTES, dimensions)):
        raise UserError(f"{path}: not an idx file of unsigned bytes in {dimensions} dimensions.")
    numbers = file.read(4 * dimensions)
    if len(numbers) < 4 * dimensions:
        raise UserError(f"{path}: the file ends before its dimensions do; it is damaged.")
    return tuple(np.frombuffer(numbers, ">u4").tolist())


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a readable file ({error}).") from error
