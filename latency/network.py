"""The network as it is deployed: what every cost is taken of."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from latency.errors import LatencyError

InputShape = tuple[int, int, int, int]


def check_input_shape(input_shape: Sequence[int]) -> InputShape:
    """Returns the shape N, C, H, W as a tuple.

    Raises:
        LatencyError: If it is not four positive integers.
    """
    shape = tuple(input_shape)
    if len(shape) != 4 or not all(type(size) is int and size > 0 for size in shape):
        raise LatencyError(
            f"input shape {shape} is not four positive integers: "
            "give batch, channels, height and width."
        )
    return shape


def deployed_copy(model: nn.Module, device: torch.device | str) -> nn.Module:
    """A float32 copy in evaluation mode without forward hooks; the model itself is left alone.

    Forward hooks observe: on the copy they would hand their owner tensors that are not his, so
    they are dropped. Forward pre-hooks stay, because weight normalisation computes with them.

    Args:
        model: Any network.
        device: Where the copy is put.
    """
    duplicate = copy.deepcopy(model)
    for module in duplicate.modules():
        module._forward_hooks.clear()
    return duplicate.to(device, torch.float32).eval().requires_grad_(False)
