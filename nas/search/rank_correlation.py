"""How far two rankings of the same things agree."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def kendall_tau_b(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Kendall's tau-b, which allows for ties.

    Kendall, The Treatment of Ties in Ranking Problems, Biometrika 1945,
    https://doi.org/10.1093/biomet/33.3.239.

    Args:
        first: N values.
        second: N values of the same things.

    Returns:
        From -1 for opposite rankings to 1 for equal ones; NaN where all values of one are equal.

    Raises:
        ValueError: If the values are not two rows of N finite numbers.
    """
    x, y = _rows(first, second)
    agreement, untied_x, untied_y = 0.0, 0.0, 0.0
    # Row by row, as a matrix of all pairs would not fit into memory for a large table.
    for index in range(len(x) - 1):
        signs_x = np.sign(x[index + 1 :] - x[index])
        signs_y = np.sign(y[index + 1 :] - y[index])
        agreement += float(signs_x @ signs_y)
        untied_x += float(signs_x @ signs_x)
        untied_y += float(signs_y @ signs_y)
    return agreement / math.sqrt(untied_x * untied_y) if untied_x * untied_y else math.nan


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, equal values having their mean rank.

    Args:
        first: N values.
        second: N values of the same things.

    Returns:
        From -1 for opposite rankings to 1 for equal ones; NaN where all values of one are equal.

    Raises:
        ValueError: If the values are not two rows of N finite numbers.
    """
    x, y = (_ranks(row) for row in _rows(first, second))
    x, y = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / spread if spread else math.nan


def _rows(
    first: npt.ArrayLike, second: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"two rows of equal length are ranked, not {x.shape} and {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("what is not a finite number has no rank.")
    return x, y


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
