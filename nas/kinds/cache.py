"""Tensors of a task that are computed once, such as encoder maps and teacher logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from nas.files import naming_full_disks, replacing

Forward = Callable[[Tensor], list[Tensor]]


def cached_tensors(path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Loads tensors from a file, or computes and writes them, one process at a time.

    A damaged file is computed again.

    Args:
        path: A safetensors file, named after everything that its content depends on.
        compute: Makes the tensors if the file is not there.

    Raises:
        DiskFullError: If there is no room for them.
    """
    with naming_full_disks(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if (found := _read(path)) is not None:
                return found
            with replacing(path) as temporary:
                save_file(compute(), temporary)
            return dict(load_file(path))


def _read(path: Path) -> dict[str, Tensor] | None:
    try:
        return dict(load_file(path))
    except (FileNotFoundError, SafetensorError):
        return None


def compute_maps(forward: Forward, images: Tensor, batch_size: int = 32) -> tuple[Tensor, ...]:
    """Runs a network that gives several maps over all images.

    Returns:
        One tensor per map, N x h x w x C, on the CPU.
    """
    parts: list[list[Tensor]] = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            maps = forward(images[start : start + batch_size])
            parts.append([m.float().permute(0, 2, 3, 1).cpu().contiguous() for m in maps])
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))
