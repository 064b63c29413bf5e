"""How the best of a search grows from trial to trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.pareto.hypervolume import hypervolume_over_time
from nas.pareto.objectives import ParetoError

Values = npt.NDArray[np.float64]

_BEYOND = 1.1
"""The reference cost by the highest cost, so that the dearest candidate counts for something."""


@dataclass(frozen=True)
class Outcomes:
    """What the finished trials of a search came to, in the order of their numbers.

    Args:
        name: What a legend calls the search.
        trials: N numbers.
        values: N figures by name; NaN for a trial that does not count, such as a repeated one or
            one whose training was cut short.
        repeats: N, whether the trial repeats an earlier one.

    Raises:
        ParetoError: If the numbers do not rise, or something has not N entries.
    """

    name: str
    trials: npt.NDArray[np.int_]
    values: Mapping[str, Values]
    repeats: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if (np.diff(self.trials) <= 0).any():
            raise ParetoError(f"search {self.name!r}: the numbers of its trials do not rise.")
        lengths = {len(self.trials), len(self.repeats), *map(len, self.values.values())}
        if len(lengths) > 1:
            raise ParetoError(f"search {self.name!r}: there is not one figure for every trial.")


@dataclass(frozen=True)
class Course:
    """The best of a search after each of its N finished trials.

    Attributes:
        name: What a legend calls the search.
        trials: N numbers.
        best: Highest value so far by name; NaN before the first trial that counts.
        hypervolume: Hypervolume so far of quality and a cost, by cost; see `course_of`.
        references: Cost of the reference point, by cost.
        repeats: N, whether the trial repeats an earlier one.
    """

    name: str
    trials: npt.NDArray[np.int_]
    best: Mapping[str, Values]
    hypervolume: Mapping[str, Values]
    references: Mapping[str, float]
    repeats: npt.NDArray[np.bool_]


def reference_cost(searches: Sequence[Outcomes], cost: str) -> float:
    """The cost of the reference point: 1.1 times the highest cost of a trial that counts.

    To compare searches, take that of all of them together.

    Args:
        searches: One or several.
        cost: Name of the cost, whose values are 0 or above.

    Returns:
        The cost; 1 where no trial has cost anything, or none counts.
    """
    highest = max(np.nanmax(s.values[cost], initial=0.0) for s in searches)
    return _BEYOND * float(highest) or 1.0


def course_of(
    outcomes: Outcomes, maximised: Sequence[str], references: Mapping[str, float]
) -> Course:
    """Follows a search.

    The hypervolume is that of quality, to be maximised, and one cost, to be minimised. Its
    reference point is a quality of 0 at the reference cost, and it is divided by the reference
    cost. So it has the unit of the quality, and it is the best quality within a budget, averaged
    over all budgets from 0 to the reference cost. A further trial never lowers it anywhere: the
    trial can only dominate more, and a higher reference cost only adds budgets within which all
    that was found is affordable.

    Args:
        outcomes: The trials, with the values "quality", those of `maximised` and those of
            `references`.
        maximised: Names of what is followed, for example quality and reward.
        references: Cost of the reference point by cost; see `reference_cost`.

    Raises:
        ParetoError: If a value is missing, or a reference cost is not above 0.
    """
    missing = {"quality", *maximised, *references} - outcomes.values.keys()
    if missing:
        raise ParetoError(f"search {outcomes.name!r} has no {min(missing)!r}.")
    if references and not min(references.values()) > 0:
        raise ParetoError(f"a reference cost must be above 0, not {min(references.values())}.")
    quality = outcomes.values["quality"]
    return Course(
        outcomes.name,
        outcomes.trials,
        {name: np.fmax.accumulate(outcomes.values[name]) for name in maximised},
        {c: _hypervolume(quality, outcomes.values[c] / r) for c, r in references.items()},
        dict(references),
        outcomes.repeats,
    )


def latest_share(flags: npt.NDArray[np.bool_], window: int) -> Values:
    """Share of True among the latest entries.

    Args:
        flags: N flags.
        window: How many are looked at; at the beginning, all there are.

    Returns:
        N shares from 0 to 1.

    Raises:
        ParetoError: If the window is below 1.
    """
    if window < 1:
        raise ParetoError(f"a share needs a window of at least one trial, not {window}.")
    counts = np.concatenate([[0], np.cumsum(flags)])
    ends = np.arange(1, len(flags) + 1)
    starts = np.maximum(ends - window, 0)
    shares: Values = (counts[ends] - counts[starts]) / (ends - starts)
    return shares


def _hypervolume(quality: Values, cost: Values) -> Values:
    """Hypervolume so far, of costs as shares of the reference cost."""
    volumes = np.zeros(len(quality))
    counts = np.isfinite(quality) & np.isfinite(cost)
    points = np.stack([quality[counts], cost[counts]], axis=1)
    volumes[counts] = hypervolume_over_time(points, ("maximise", "minimise"), (0.0, 1.0))
    return np.maximum.accumulate(volumes) if len(volumes) else volumes
