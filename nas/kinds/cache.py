"""Tensors of a task that are computed once, such as encoder maps and teacher logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

Forward = Callable[[Tensor], list[Tensor]]


def cached_tensors(path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Loads tensors from a file, or computes and writes them, one process at a time.

    Args:
        path: A safetensors file, named after everything that its content depends on.
        compute: Makes the tensors if the file is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            save_file(compute(), temporary)
            temporary.replace(path)
    return dict(load_file(path))


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
