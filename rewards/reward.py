"""From the recorded figures of a candidate to the one number that a controller learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewards.aggregation import AGGREGATES, COMBINATIONS, aggregate, combine
from rewards.declaration import WHOLE_SET
from rewards.errors import RewardError
from rewards.figures import finite, known
from rewards.penalty import Penalty
from rewards.registry import metric


@dataclass(frozen=True)
class Reward:
    """Quality times the coefficient of the costs.

    By a metric that scores every class, the quality is that over the reward classes. Each is scored
    by itself: a score of merged classes would hide errors between, for example, a left and a right
    eye. A metric over the whole set is the quality itself. Where smaller is better, 1 less the
    score takes its place.

    Args:
        classes: Names of the classes that earn reward; a metric over the whole set needs none.
        metric: Name of a metric of `rewards.metrics()`, or its import path.
        aggregate: How the scores of the classes make the quality: "mean", "geometric_mean"
            or "minimum".
        penalties: At most one for each cost.
        combine: How the coefficients of several penalties make one: "mean", "product" or
            "geometric_mean".

    Raises:
        RewardError: If a name is unknown, there is no class, or a class or a cost occurs twice.
    """

    classes: tuple[str, ...] = ()
    metric: str = "f1"
    aggregate: str = "mean"
    penalties: tuple[Penalty, ...] = ()
    combine: str = "mean"

    def __post_init__(self) -> None:
        _check_tuple(self.classes, "reward classes")
        _check_tuple(self.penalties, "penalties")
        if metric(self.metric).scope == "class" and not self.classes:
            raise RewardError("a reward needs at least one class.")
        known(self.aggregate, AGGREGATES, "aggregate")
        known(self.combine, COMBINATIONS, "combination")
        _check_distinct(self.classes, "reward class")
        _check_distinct(tuple(penalty.cost for penalty in self.penalties), "penalised cost")

    def quality(self, scores: Mapping[str, Mapping[str, float]]) -> float:
        """Aggregates the scores of the reward classes, or takes that of the whole set.

        Args:
            scores: Score by class name, or under ``all``, by metric, as `rewards.score` gives
                them.

        Raises:
            RewardError: If the metric or a class is missing, a score is not finite, or it has no
                quality.
        """
        found = metric(self.metric)
        if found.name not in scores:
            raise RewardError(f"the scores hold no {found.name!r}; they hold: {', '.join(scores)}.")
        by_key = scores[found.name]
        for key in found.keys(self.classes):
            if key not in by_key:
                what = f"reward class {key!r}" if found.scope == "class" else "the whole set"
                raise RewardError(f"{what} has no score; scored are: {', '.join(by_key)}.")
        if found.scope == "set":
            return found.quality(by_key[WHOLE_SET], f"the {found.name}")
        what = f"the {found.name} of class"
        values = [found.quality(by_key[name], f"{what} {name!r}") for name in self.classes]
        return aggregate(values, self.aggregate)

    def coefficient(self, quality: float, costs: Mapping[str, float]) -> float:
        """Combines the coefficients of the penalties; 1 without penalties.

        Args:
            quality: Quality of the candidate, for the drop rules.
            costs: Cost by name; costs without a penalty are not looked at.

        Raises:
            RewardError: If the quality is not finite, or a penalised cost is missing or not a
                finite number above 0.
        """
        checked = finite(quality, "the quality")
        for penalty in self.penalties:
            if penalty.cost not in costs:
                raise RewardError(
                    f"the penalised cost {penalty.cost!r} was not recorded; "
                    f"recorded are: {', '.join(costs) or 'none'}."
                )
        coefficients = [p.coefficient(costs[p.cost], checked) for p in self.penalties]
        return combine(coefficients, self.combine)

    def __call__(
        self, scores: Mapping[str, Mapping[str, float]], costs: Mapping[str, float]
    ) -> float:
        """The penalised reward, `quality` times `coefficient`."""
        quality = self.quality(scores)
        return quality * self.coefficient(quality, costs)


def _check_tuple(value: Any, what: str) -> None:
    # A single name would otherwise be read letter by letter, a list is not hashable.
    if not isinstance(value, tuple):
        raise RewardError(f"{what} must be a tuple, not {value!r}.")


def _check_distinct(names: tuple[str, ...], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise RewardError(f"{what} {name!r} is listed twice.")
