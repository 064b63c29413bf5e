"""How much a distillation term counts beside the loss on the labels, by a ratio."""

from __future__ import annotations

from nas.distillation.base import LossInfo
from nas.distillation.options import require_not_negative


def ratio_weight(ratio: float, loss: LossInfo) -> float:
    """The weight for a ratio, by the rule of a public distillation benchmark.

    For `attention` the weight is the ratio. For all others it is ratio / (1 - ratio) below 1,
    so that 0.7 means 0.3 of the labels and 0.7 of the teacher, and the ratio itself from 1 on.
    The rule leaps at 1: 0.99 means 99, and 1 means 1. A weight says plainly what is wanted; the
    ratio is there to repeat experiments.

    Args:
        ratio: From 0.
        loss: What the loss declares.

    Raises:
        ValueError: If the ratio is negative or not finite.
    """
    require_not_negative("ratio", ratio)
    if loss.ratio_is_weight or ratio >= 1:
        return float(ratio)
    return ratio / (1 - ratio)
