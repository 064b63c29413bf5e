"""How much a distillation term counts beside the loss on the labels."""

from __future__ import annotations

from nas.distillation.losses import Compared
from nas.distillation.options import require_not_negative

_CHANNEL_WISE_ON_FEATURES = 50.0

# Where a method has an option that scales it, the weight belongs to its default.
_DEFAULTS = {
    # The ratio 0.7 of a public benchmark on CUB-200, whose rule is `ratio_weight`.
    "soft_target": 0.7 / 0.3,
    "mgd": 0.7 / 0.3,
    # Nekrasov et al. 2019, https://arxiv.org/abs/1810.10804.
    "logit_mse": 0.3,
    # As the authors add them to the cross-entropy.
    "dkd": 1.0,
    "dist": 1.0,
    "channel_wise": 3.0,
    # Tian et al. 2020, https://arxiv.org/abs/1910.10699, and the code beside it.
    "hint": 100.0,
    "feature_mse": 100.0,
    "attention": 1000.0,
    "similarity": 3000.0,
    "rkd": 1.0,
    "nst": 50.0,
    # No published one for this form: equal to the cross-entropy.
    "mmd": 1.0,
}


def default_weight(method: str, compares: Compared) -> float:
    """The weight of a term that is given none: the published one.

    ================  =======  =========================================================
    method            weight   source
    ================  =======  =========================================================
    soft_target, mgd  7/3      ratio 0.7 of the rule in `ratio_weight`
    logit_mse         0.3      Nekrasov et al. 2019 (https://arxiv.org/abs/1810.10804)
    dkd               1        Zhao et al. 2022 (https://arxiv.org/abs/2203.08679)
    dist              1        Huang et al. 2022 (https://arxiv.org/abs/2205.10536)
    channel_wise      3        Shu et al. 2021 (https://arxiv.org/abs/2011.13256);
                               50 on features
    hint, attention,  100,     Tian et al. 2020 (https://arxiv.org/abs/1910.10699), the
    similarity, rkd,  1000,    commands of its code; feature_mse is that of hint
    nst               3000,
                      1, 50
    mmd               1        none is published for this form
    ================  =======  =========================================================

    Args:
        method: Name of the loss.
        compares: What it is called with.
    """
    if method == "channel_wise" and compares == "features":
        return _CHANNEL_WISE_ON_FEATURES
    return _DEFAULTS[method]


def ratio_weight(ratio: float, method: str) -> float:
    """The weight for a ratio, by the rule of a public distillation benchmark.

    For `attention` the weight is the ratio. For all others it is ratio / (1 - ratio) below 1,
    so that 0.7 means 0.3 of the labels and 0.7 of the teacher, and the ratio itself from 1 on.
    The rule leaps at 1: 0.99 means 99, and 1 means 1. A weight says plainly what is wanted; the
    ratio is there to repeat experiments.

    Args:
        ratio: From 0.
        method: Name of the loss.

    Raises:
        ValueError: If the ratio is negative or not finite.
    """
    require_not_negative("ratio", ratio)
    if method == "attention" or ratio >= 1:
        return float(ratio)
    return ratio / (1 - ratio)
