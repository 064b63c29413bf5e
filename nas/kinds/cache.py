"""Tensors of a task that are computed once, such as encoder maps and teacher logits."""

from __future__ import annotations

import glob
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from nas.files import naming_full_disks, replacing
from nas.long_steps import LongStep
from nas.mapped_pages import bound

Forward = Callable[[Tensor], list[Tensor]]

_FORMATS = {torch.float32: "F32", torch.bfloat16: "BF16"}
"""Number formats by their names in a safetensors file."""


def cached_tensors(path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Loads tensors from a file, or computes and writes them, one process at a time.

    A damaged file is computed again.

    Args:
        path: A safetensors file, named after everything that its content depends on.
        compute: Makes the tensors if the file is not there.

    Raises:
        DiskFullError: If there is no room for them.
    """
    return _cached(path, lambda temporary: save_file(compute(), temporary))


def _cached(path: Path, write: Callable[[Path], None]) -> dict[str, Tensor]:
    """Loads a file of tensors, which is written first where it is not there or damaged."""
    with naming_full_disks(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if (found := _read(path)) is not None:
                return found
            # Those of processes that were killed: the lock lets nobody else write.
            for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
                left.unlink()
            with replacing(path) as temporary:
                write(temporary)
            return _mapped(path)


def _read(path: Path) -> dict[str, Tensor] | None:
    try:
        return _mapped(path)
    except (FileNotFoundError, SafetensorError):
        return None


def _mapped(path: Path) -> dict[str, Tensor]:
    found = dict(load_file(path))
    bound(*found.values())
    return found


def cached_maps(
    path: Path,
    forward: Forward,
    images: Tensor,
    batch_size: int = 32,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, ...]:
    """Loads what a network gives for images, or computes and writes it, one process at a time.

    Neither computing nor loading takes the memory of all maps: they go to the file as they come,
    and the file is mapped, so that all processes of a machine share its pages.

    Args:
        path: As for `cached_tensors`.
        forward: Takes some images and gives several maps of each.
        images: Of a split.
        batch_size: How many images it takes at a time.
        dtype: Number format in which they are kept, float32 or bfloat16.

    Returns:
        One tensor per map, N x h x w x C, on the CPU.

    Raises:
        DiskFullError: If there is no room for them.
    """

    def write(temporary: Path) -> None:
        step = LongStep("computing what all candidates share", len(images))
        with temporary.open("wb") as file, torch.inference_mode():
            for start in range(0, len(images), batch_size):
                maps = forward(images[start : start + batch_size])
                parts = [m.to(dtype).permute(0, 2, 3, 1).cpu().contiguous() for m in maps]
                if start == 0:
                    shapes = [(len(images), *part.shape[1:]) for part in parts]
                    places = _write_header(file, shapes, dtype)
                for number, part in enumerate(parts):
                    file.seek(places[number])
                    # NumPy does not know bfloat16, only its bytes.
                    file.write(part.flatten().view(torch.uint8).numpy().data)
                    places[number] = file.tell()
                step.advance(len(parts[0]))

    tensors = _cached(path, write)
    return tuple(tensors[f"map{number}"] for number in range(len(tensors)))


def _write_header(
    file: BinaryIO, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype
) -> list[int]:
    """Writes the header of a safetensors file of maps; returns where each of them begins.

    https://huggingface.co/docs/safetensors/index#format
    """
    header: dict[str, Any] = {}
    end = 0
    for number, shape in enumerate(shapes):
        begin, end = end, end + dtype.itemsize * math.prod(shape)
        header[f"map{number}"] = {
            "dtype": _FORMATS[dtype],
            "shape": shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    return [8 + len(text) + one["data_offsets"][0] for one in header.values()]
