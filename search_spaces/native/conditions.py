"""Where an operation may be replaced by a faster one of equal result."""

from __future__ import annotations

import torch
from torch import Tensor


def is_replaceable(*tensors: Tensor) -> bool:
    """Whether an operation on these tensors may be replaced, here and now.

    The replacements compute in float32 on a CPU. An export must see the standard operation, and so
    must anything that counts operations.
    """
    return (
        all(
            isinstance(tensor, Tensor)
            and tensor.device.type == "cpu"
            and tensor.dtype == torch.float32
            for tensor in tensors
        )
        and type(tensors[0]) is Tensor
        and not torch.is_autocast_enabled("cpu")
        and torch._C._len_torch_dispatch_stack() == 0
        and not torch.compiler.is_exporting()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
    )
