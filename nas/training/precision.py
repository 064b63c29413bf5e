"""The number type of forward passes."""

from __future__ import annotations

from collections.abc import Iterable
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


def remark(device: torch.device, precisions: Iterable[str]) -> str | None:
    """A sentence about precisions that a processor computes in detours, or None.

    Args:
        device: Where networks are trained.
        precisions: Those that are asked for.
    """
    if device.type != "cpu":
        return None
    slow = [name for name in _TYPES if name in set(precisions) and not _has_instructions(name)]
    if not slow:
        return None
    return (
        f"precision: this processor has no instructions for {' and '.join(slow)}, so float32 may "
        "well be faster here"
    )


def _has_instructions(precision: str) -> bool:
    """Whether oneDNN has them; true where it cannot be asked, as on builds without it."""
    short = {"bfloat16": "bf16", "float16": "fp16"}[precision]
    supported = getattr(torch.ops.mkldnn, f"_is_mkldnn_{short}_supported", None)
    return supported is None or bool(supported())
