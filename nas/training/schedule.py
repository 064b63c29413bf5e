"""Learning-rate schedules, as factors of the base rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

ScheduleName = Literal["constant", "cosine", "poly", "step"]


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a whole training.

    Attributes:
        name: ``constant``, ``cosine`` (to 0 after the last step), ``poly`` (power 0.9) or
            ``step`` (times `gamma` at every milestone).
        epochs: Length of the training.
        warmup: Share of all steps with a rising rate.
        milestones: Shares of all steps after which ``step`` lowers the rate.
        gamma: Factor of ``step``.
        cycle_epochs: ``cosine`` falls in so many epochs, rises in as many, and so on, as torch's
            CosineAnnealingLR does with this T_max; None falls once, over the whole training.
    """

    name: ScheduleName
    epochs: int
    warmup: float = 0.0
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    cycle_epochs: int | None = None

    def factor(self, step: int, steps: int) -> float:
        """The factor of the base rate.

        Args:
            step: Of the whole training, from 0.
            steps: Number of steps of an epoch.
        """
        total = self.epochs * steps
        warmup = round(self.warmup * total)
        if self.name == "step" and step >= warmup:
            passed = sum(step >= round(share * total) for share in self.milestones)
            return float(self.gamma**passed)
        if self.cycle_epochs is not None and step >= warmup:
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (self.cycle_epochs * steps)))
        return factor(self.name, step, total, warmup)


def factor(name: ScheduleName, step: int, total: int, warmup: int = 0) -> float:
    """The factor at a step of a schedule without milestones.

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
