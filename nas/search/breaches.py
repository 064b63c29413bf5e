"""Costs of a candidate beyond the limits of a search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from latency.costs import amount
from nas.controllers.sampler import BEYOND
from nas.errors import UserError


@dataclass(frozen=True)
class Breach:
    """A cost beyond its limit.

    Attributes:
        limit: The largest value that is allowed.
        value: The candidate's.
    """

    limit: float
    value: float

    def to_record(self) -> dict[str, float]:
        """As it is recorded with a trial."""
        return {"limit": self.limit, "value": self.value}


Breaches = Mapping[str, Breach]
"""The limits that a candidate is beyond, by cost."""


def breaches(costs: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, Breach]:
    """The limits that a candidate is beyond, by cost.

    Args:
        costs: Its costs by name.
        limits: Largest values by name of the cost.

    Raises:
        UserError: If a limited cost is not among the costs.
    """
    check_limited_costs(limits, costs)
    return {
        cost: Breach(limit, float(costs[cost]))
        for cost, limit in limits.items()
        if costs[cost] > limit
    }


def check_limited_costs(limits: Mapping[str, float], known: Collection[str]) -> None:
    """Refuses a limit of a cost that is not known.

    Args:
        limits: Largest values by name of the cost.
        known: Names of the costs that are.

    Raises:
        UserError: With those that are known.
    """
    unknown = [cost for cost in limits if cost not in known]
    if unknown:
        raise UserError(f"no cost {unknown[0]!r} to limit; known: {', '.join(known)}.")


def breaches_of(attributes: Mapping[str, Any]) -> dict[str, Breach]:
    """The limits that a trial is beyond, from its user attributes."""
    recorded = attributes.get(BEYOND, {})
    return {cost: Breach(one["limit"], one["value"]) for cost, one in recorded.items()}


def hardest(found: Collection[Breaches]) -> str:
    """The cost whose limit most candidates are beyond.

    Args:
        found: What each candidate is beyond; one of them is beyond something.
    """
    broken = [cost for one in found for cost in one]
    # The earlier one of equals, so that it is the same each time.
    return max(dict.fromkeys(broken), key=broken.count)


def told_hardest(found: Collection[Breaches], costs: Collection[Mapping[str, float]]) -> str:
    """The limit that most candidates are beyond, and how close one came to it, as a clause.

    Args:
        found: What each candidate is beyond; one of them is beyond something.
        costs: Costs of the candidates.
    """
    cost = hardest(found)
    limit = next(one[cost].limit for one in found if cost in one)
    least = min(float(known[cost]) for known in costs)
    return (
        f"the limit of {cost} ({amount(cost, limit)}) is broken most often, and the smallest "
        f"{cost} seen is {amount(cost, least)}"
    )
