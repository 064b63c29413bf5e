"""Memory that PyTorch allocates on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from latency.devices.device import Placement, device_lock, parse_device
from latency.engines.eager import on_device
from latency.errors import LatencyError
from latency.network import check_input_shape


def measure_cuda_memory(
    model: nn.Module, input_shape: Sequence[int], device: str | torch.device = "cuda"
) -> int:
    """Most bytes that PyTorch has allocated at once in a forward pass, weights included.

    Scratch memory of kernels is in it; the CUDA context and what the allocator holds in reserve are
    not.

    Args:
        model: The whole deployed network; it is not changed.
        input_shape: Shape N, C, H, W of the input.
        device: "cuda" or "cuda:N".

    Raises:
        UnavailableError: If the GPU is missing.
        LatencyError: If the device is no GPU, or the shape is not four positive integers.
    """
    placement = Placement(parse_device(device))
    shape = check_input_shape(input_shape)
    if placement.device.kind != "cuda":
        raise LatencyError("memory is measured on GPUs only: use a cuda device, or count it.")
    with on_device(model, shape, placement) as placed, device_lock(placement.device):
        # The first run searches for algorithms, with more scratch memory than the later ones.
        placed.network(placed.image)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        own = sum(tensor.nbytes for tensor in (*placed.network.state_dict().values(), placed.image))
        torch.cuda.reset_peak_memory_stats()
        placed.network(placed.image)
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before + own
