"""How much of the objective space a set of points dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pymoo.indicators.hv import HV

from nas.pareto.objectives import Direction, ParetoError, as_costs

_MARGIN = 0.01


def hypervolume(
    points: npt.ArrayLike, directions: Sequence[Direction], reference: npt.ArrayLike
) -> float:
    """The volume between the points and a reference point.

    Args:
        points: N×M, a row for each candidate, a column for each objective.
        directions: The M directions.
        reference: M values, the worst corner of the volume. A point that is worse than it in an
            objective adds nothing.

    Returns:
        The volume, in the product of the units of the objectives.

    Raises:
        ParetoError: If a shape is wrong or a value is not finite.
    """
    costs = as_costs(points, directions)
    return _volume(costs, _corner(reference, directions))


def hypervolume_over_time(
    points: npt.ArrayLike, directions: Sequence[Direction], reference: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """The hypervolume after each point, in the order of the rows.

    Args:
        points: N×M, a row for each candidate, a column for each objective.
        directions: The M directions.
        reference: M values, the worst corner of the volume.

    Returns:
        N volumes that never decrease; the last is the `hypervolume` of all the points.

    Raises:
        ParetoError: If a shape is wrong or a value is not finite.
    """
    costs = as_costs(points, directions)
    corner = _corner(reference, directions)
    volumes = np.zeros(len(costs))
    best = costs[:0]
    volume = 0.0
    for step, point in enumerate(costs):
        if not (best <= point).all(axis=1).any():
            survivors = best[~(point <= best).all(axis=1)]
            best = np.vstack([survivors, point])
            volume = _volume(best, corner)
        volumes[step] = volume
    return volumes


def reference_point(
    points: npt.ArrayLike, directions: Sequence[Direction]
) -> npt.NDArray[np.float64]:
    """A reference point behind all the points, so that each of them dominates some volume.

    To compare searches, take the reference point of all their points together.

    Args:
        points: N×M with N at least 1.
        directions: The M directions.

    Returns:
        M values: the worst of each objective, and 1 % of the objective's range beyond it.

    Raises:
        ParetoError: If there is no point, the shape is wrong or a value is not finite.
    """
    costs = as_costs(points, directions)
    if len(costs) == 0:
        raise ParetoError("a reference point needs at least one point.")
    worst = costs.max(axis=0)
    extent = worst - costs.min(axis=0)
    # Without a range the size of the value, and without a size 1, sets the scale.
    extent = np.where(extent > 0, extent, np.abs(worst))
    extent = np.where(extent > 0, extent, 1.0)
    return as_costs([worst + _MARGIN * extent], directions)[0]


def _corner(reference: npt.ArrayLike, directions: Sequence[Direction]) -> npt.NDArray[np.float64]:
    values = np.asarray(reference, dtype=np.float64)
    if values.shape != (len(directions),) or not np.isfinite(values).all():
        raise ParetoError(
            f"the reference point needs {len(directions)} finite values, not {values.tolist()}."
        )
    return as_costs(values[None], directions)[0]


def _volume(costs: npt.NDArray[np.float64], corner: npt.NDArray[np.float64]) -> float:
    return float(HV(ref_point=corner)(costs)) if len(costs) else 0.0
