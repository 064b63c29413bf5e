"""Which of many trials a model is fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread(ranked: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The first half of `count`, and as many at equal steps among the others.

    Args:
        ranked: Places of the trials, the best first.
        count: Largest number that is wanted.
    """
    if len(ranked) <= count:
        return ranked
    best = count - count // 2
    steps = np.linspace(best, len(ranked) - 1, count // 2).round().astype(np.int64)
    return np.concatenate([ranked[:best], ranked[steps]])
