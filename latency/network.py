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


def on_cpu(model: nn.Module) -> nn.Module:
    """A network for forward passes on the CPU: the model itself if it is ready for them.

    It is if it is in evaluation mode, in float32 on the CPU and without hooks; the copy of any
    other takes a tenth of a second for a few hundred modules. Run it without gradients.

    Args:
        model: Any network.
    """
    tensors = [*model.parameters(), *model.buffers()]
    ready = all(
        not (module.training or module._forward_hooks or module._forward_pre_hooks)
        for module in model.modules()
    ) and all(
        tensor.device.type == "cpu"
        and (tensor.dtype == torch.float32 or not tensor.is_floating_point())
        for tensor in tensors
    )
    return model if ready else deployed_copy(model, "cpu")
