"""Penalties for costs, and bonuses for saving them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rewards.errors import RewardError
from rewards.figures import finite


@dataclass(frozen=True)
class Drop:
    """No bonus for a network that is both tiny and bad.

    Such networks never become good, but a bonus for their size draws a controller to them.

    Args:
        cost_floor: Cost under which a network is tiny, in the unit of the cost.
        quality_floor: Quality under which it is bad, from 0 to 1.

    Raises:
        RewardError: If a floor is out of range.
    """

    cost_floor: float
    quality_floor: float

    def __post_init__(self) -> None:
        if finite(self.cost_floor, "the cost floor of a drop rule") <= 0:
            raise RewardError(
                f"the cost floor of a drop rule must be above 0, not {self.cost_floor}."
            )
        if not 0 <= finite(self.quality_floor, "the quality floor of a drop rule") <= 1:
            raise RewardError(
                "the quality floor of a drop rule must lie between 0 and 1, "
                f"not {self.quality_floor}."
            )

    def applies(self, cost: float, quality: float) -> bool:
        """Whether cost and quality are both under their floors."""
        return cost < self.cost_floor and quality < self.quality_floor


@dataclass(frozen=True)
class Penalty:
    """A factor (cost / base)^exponent for the quality: below 1 above the base, a bonus below it.

    MnasNet (https://arxiv.org/abs/1807.11626) uses it for latency.

    Args:
        cost: Name of the cost in the record, for example "params", "flops" or "latency".
        base: Cost at which the factor is 1, above 0, in the unit of the cost.
        exponent: 0 or less; -0.6 gives a network of half the base a bonus of 1.52.
        drop: Which networks get no bonus, or None.

    Raises:
        RewardError: If the name is empty, the base is not above 0 or the exponent is positive.
    """

    cost: str
    base: float
    exponent: float
    drop: Drop | None = None

    def __post_init__(self) -> None:
        if not self.cost:
            raise RewardError("a penalty needs the name of a cost.")
        if finite(self.base, f"the base of the penalty on {self.cost!r}") <= 0:
            raise RewardError(
                f"the base of the penalty on {self.cost!r} must be above 0, not {self.base}."
            )
        if finite(self.exponent, f"the exponent of the penalty on {self.cost!r}") > 0:
            raise RewardError(
                f"the exponent of the penalty on {self.cost!r} must be 0 or less, "
                f"not {self.exponent}: a positive one would reward high costs."
            )

    def coefficient(self, x: float, quality: float) -> float:
        """The factor for a network.

        Args:
            x: Its cost, above 0, in the unit of the base.
            quality: Its quality, for the drop rule.

        Raises:
            RewardError: If the cost is not a finite number above 0, or the factor overflows.
        """
        if finite(x, f"the cost {self.cost!r}") <= 0:
            raise RewardError(f"the cost {self.cost!r} must be above 0, not {x}.")
        try:
            factor = float((x / self.base) ** self.exponent)
        except OverflowError as error:
            raise RewardError(
                f"the penalty on {self.cost!r} overflows at {x}; "
                f"bring the exponent {self.exponent} nearer to 0."
            ) from error
        if self.drop is not None and self.drop.applies(x, quality):
            return min(factor, 1.0)
        return factor


def automatic_base(costs: Sequence[float]) -> float:
    """The base of a penalty derived from its space: the median cost of sampled candidates.

    Args:
        costs: Costs of some hundred genotypes drawn at random, each above 0.

    Raises:
        RewardError: If there is no cost, or one is not a finite number above 0.
    """
    if len(costs) == 0:
        raise RewardError("an automatic base needs the cost of at least one candidate.")
    checked = [finite(cost, f"sampled cost {index}") for index, cost in enumerate(costs)]
    if min(checked) <= 0:
        raise RewardError(f"a sampled cost must be above 0, not {min(checked)}.")
    return statistics.median(checked)
