"""Hard limits of a search: which candidates are beyond them, and whether any can be within."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from latency.costs import amount
from nas.controllers.sampler import BEYOND
from nas.errors import UserError, sentence
from nas.evaluation.evaluation import EvaluationError
from nas.searching.config import SearchConfig
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

_SAMPLES = 200
"""Number of sampled genotypes that show what share of a space is within the limits."""


@dataclass(frozen=True)
class Breach:
    """A cost beyond its limit.

    Attributes:
        limit: The largest value that is allowed.
        value: The value of the candidate.
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
        limits: Largest allowed values by name of the cost.

    Raises:
        UserError: If a limited cost is not among the costs.
    """
    check_limited_costs(limits, costs)
    return {
        cost: Breach(limit, float(costs[cost]))
        for cost, limit in limits.items()
        if costs[cost] > limit
    }


def breaches_of(attributes: Mapping[str, Any]) -> dict[str, Breach]:
    """The limits that a trial is beyond, from its user attributes."""
    recorded = attributes.get(BEYOND, {})
    return {cost: Breach(one["limit"], one["value"]) for cost, one in recorded.items()}


def check_limited_costs(limits: Mapping[str, float], known: Collection[str]) -> None:
    """Refuses a limit of an unknown cost.

    Args:
        limits: Largest allowed values by name of the cost.
        known: Names of the costs that can be limited.

    Raises:
        UserError: With the known costs.
    """
    unknown = [cost for cost in limits if cost not in known]
    if unknown:
        raise UserError(f"no cost {unknown[0]!r} to limit; known: {', '.join(known)}.")


def check_limits(
    config: SearchConfig,
    space: SearchSpace,
    known_costs: Callable[[Genotype], Mapping[str, float]],
    say: Callable[[str], None],
    remedy: str = "raise that limit",
) -> None:
    """Refuses limits that no sampled candidate is within; without limits it does nothing.

    Call it before anything expensive, such as the training of a teacher.

    Args:
        config: Configuration of the search.
        space: The space that genotypes are sampled from.
        known_costs: Costs of a genotype before training.
        say: Called with a sentence that gives the share within the limits.
        remedy: What can be done where none is, as a clause.

    Raises:
        UserError: If a limited cost is unknown, no sampled candidate has known costs, or none is
            within the limits.
    """
    if not config.limits:
        return
    costs = _sampled_costs(space, known_costs, random.Random(config.seed))
    found = [breaches(known, config.limits) for known in costs]
    share = sum(not broken for broken in found) / len(found)
    if share == 0:
        raise UserError(
            f"none of {len(found)} sampled candidates is within the limits: "
            f"{strictest(found, costs)}; {remedy}."
        )
    say(f"{share:.1%} of {len(found)} sampled candidates are within the limits")


def strictest(found: Collection[Breaches], costs: Collection[Mapping[str, float]]) -> str:
    """The limit that most candidates are beyond, and how close one came to it, as a clause.

    Args:
        found: What each candidate is beyond; at least one of them is beyond a limit.
        costs: Costs of the candidates.
    """
    broken = [cost for one in found for cost in one]
    # The first of equals, so that the message does not depend on hashes.
    cost = max(dict.fromkeys(broken), key=broken.count)
    limit = next(one[cost].limit for one in found if cost in one)
    least = min(float(known[cost]) for known in costs)
    return (
        f"the limit of {cost} ({amount(cost, limit)}) is exceeded most often, and the smallest "
        f"{cost} seen is {amount(cost, least)}"
    )


def _sampled_costs(
    space: SearchSpace,
    known_costs: Callable[[Genotype], Mapping[str, float]],
    rng: random.Random,
) -> list[Mapping[str, float]]:
    costs = []
    reason = ""
    for _ in range(_SAMPLES):
        try:
            costs.append(known_costs(space.sample(rng)))
        except EvaluationError as error:
            # During the search, such a candidate fails and the search carries on.
            reason = str(error)
    if not costs:
        raise UserError(
            sentence(f"none of {_SAMPLES} sampled candidates has known costs: {reason}")
        )
    return costs
