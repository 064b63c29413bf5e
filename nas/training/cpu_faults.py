"""Ways around faults of PyTorch 2.13 in the training of convolutions on a CPU.

Maps are in channels-last order here, and there the backward pass of two kinds of convolution is
wrong:

- a 1x1 convolution with a stride, of 2 to 7 channels, writes past the end of its memory;
- a depthwise convolution in bfloat16 sometimes gives weights a gradient of 1e28 and more, which
  clipping turns into one of 0 for everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def around_cpu_faults(network: nn.Module) -> Iterator[None]:
    """A block in which a network's convolutions can be trained on a CPU.

    The results are the same to rounding. Depthwise convolutions are computed in float32 throughout.

    Args:
        network: Its modules are afterwards what they were.
    """
    changed: list[nn.Module] = []
    for module in network.modules():
        guard = _guard(module)
        if guard is not None and "forward" not in vars(module):
            module.forward = _guarded(module.forward, guard)
            changed.append(module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


Guard = Callable[[Callable[..., Tensor], Tensor], Tensor]


def _guard(module: nn.Module) -> Guard | None:
    if not isinstance(module, nn.Conv2d):
        return None
    strided = module.kernel_size == (1, 1) and module.stride != (1, 1)
    if strided and module.groups == 1 and 1 < module.in_channels < 8:
        return _in_standard_order
    if module.groups == module.in_channels > 1:
        return _in_float32
    return None


def _guarded(forward: Callable[..., Tensor], guard: Guard) -> Callable[[Tensor], Tensor]:
    def guarded(maps: Tensor, *more: Any) -> Tensor:
        if more or not isinstance(maps, Tensor) or maps.device.type != "cpu":
            return forward(maps, *more)
        return guard(forward, maps)

    return guarded


def _in_standard_order(forward: Callable[..., Tensor], maps: Tensor) -> Tensor:
    return forward(maps.contiguous())


def _in_float32(forward: Callable[..., Tensor], maps: Tensor) -> Tensor:
    if not torch.is_autocast_enabled("cpu"):
        return forward(maps)
    with torch.autocast("cpu", enabled=False):
        return forward(maps.float())
