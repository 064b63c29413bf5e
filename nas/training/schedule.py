"""Learning-rate schedules, as factors of the base rate."""

from __future__ import annotations

import math
from typing import Literal

ScheduleName = Literal["constant", "cosine", "poly"]


def factor(name: ScheduleName, step: int, total: int, warmup: int = 0) -> float:
    """The factor at a step.

    The warm-up rises as (step + 1) / warmup, so that no step has a learning rate of 0.

    Args:
        name: ``constant``, ``cosine`` (to 0 after the last step) or ``poly`` (power 0.9).
        step: From 0.
        total: Number of steps.
        warmup: Number of steps of linear warm-up.

    Raises:
        ValueError: If the step is not in the schedule.
    """
    if not 0 <= step < total:
        raise ValueError(f"step {step} is not in a schedule of {total} steps")
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    if name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if name == "poly":
        return float((1 - progress) ** 0.9)
    return 1.0
