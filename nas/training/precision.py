"""The number type of forward passes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]
"""Of the forward pass; weights, losses and updates are float32 in every case."""

_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """A block whose operations run in the precision."""
    kind = _TYPES.get(precision)
    return torch.autocast(device.type, dtype=kind, enabled=kind is not None)


def loss_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler | None:
    """Keeps the small gradients of float16 above its smallest number; the others need none."""
    return torch.amp.GradScaler(device.type) if precision == "float16" else None
