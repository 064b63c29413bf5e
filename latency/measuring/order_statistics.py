"""Figures of a sample that make no assumption about its distribution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the sample lies, between neighbours if need be."""
    return float(np.quantile(values, share))


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """A confidence interval of the median, from order statistics.

    The number of values below the true median follows a binomial distribution with p = 1/2,
    whatever the values follow (Conover, Practical Nonparametric Statistics, 3rd edition, 1999,
    section 3.2). The interval is the narrowest pair of symmetric ranks that has the confidence.

    Args:
        values: Independent values, at least six for a confidence of 95 %.
        confidence: Between 0 and 1.

    Returns:
        The lower and the upper end; the extremes where there are too few values.
    """
    ordered = sorted(values)
    count = len(ordered)
    outside, rank = 0.0, 0
    while rank < (count - 1) // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - confidence:
            break
        rank += 1
    below = max(rank - 1, 0)
    return ordered[below], ordered[count - 1 - below]


def relative_interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % confidence interval of the median, as a share of the median."""
    low, high = median_interval(values)
    return (high - low) / 2 / statistics.median(values)
