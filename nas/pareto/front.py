"""Exact non-dominated sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from nas.pareto.objectives import Direction, as_costs


def front(points: npt.ArrayLike, directions: Sequence[Direction]) -> npt.NDArray[np.intp]:
    """The points that no other point dominates.

    A point dominates another if it is at least as good in every objective and better in one,
    so equal points do not dominate each other and are all kept.

    Args:
        points: N×M, a row for each candidate, a column for each objective.
        directions: The M directions.

    Returns:
        Indices of the rows, sorted by the first objective that is minimised (by the first one if
        none is); equal values in the order of the rows.

    Raises:
        ParetoError: If the shape is wrong or a value is not finite.
    """
    costs = as_costs(points, directions)
    found = NonDominatedSorting().do(costs, only_non_dominated_front=True)
    indices = np.sort(np.asarray(found, dtype=np.intp))
    column = directions.index("minimise") if "minimise" in directions else 0
    return indices[np.argsort(costs[indices, column], kind="stable")]
