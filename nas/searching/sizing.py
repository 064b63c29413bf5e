"""Which search space suits the limits of a search that names none."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from latency.costs import amount
from nas.errors import UserError
from nas.evaluation.costs import check_computes
from nas.evaluation.evaluation import EvaluationError
from nas.kinds.candidates import Candidates
from nas.searching.config import ImageSearchConfig
from nas.searching.device_costs import check_device_costs, slow_costs, told_costs
from nas.searching.limits import breaches, strictest

_SAMPLES = 40
_ENOUGH = 0.25
"""Share of the sampled candidates within the limits with which a search makes good progress."""

Costs = Mapping[str, float]


def space_within(
    config: ImageSearchConfig,
    with_space: Callable[[str], tuple[ImageSearchConfig, Candidates]],
    device: str,
    say: Callable[[str], None],
) -> str:
    """The space with the largest networks of which enough are within the limits of a search.

    Larger networks are the better ones as a rule, so that a space whose networks are all far below
    the limits would leave their budget unused.

    Args:
        config: Of the search; its kind has `sizes`.
        with_space: The search in one of these spaces, and its networks.
        device: Where candidates are trained.
        say: Told which space was chosen.

    Raises:
        UserError: If no sampled candidate of any space is within the limits, with the limit that
            would be met, or if a limit is wrong.
    """
    check_device_costs(config, device)
    slow = slow_costs(config)
    limits = {cost: limit for cost, limit in config.limits.items() if cost not in slow}
    shares: dict[str, float] = {}
    costs: list[Costs] = []
    for name in reversed(config.kind.sizes):
        sized, candidates = with_space(name)
        costs = _sampled_costs(sized, candidates, device, say)
        within = sum(not breaches(one, limits) for one in costs)
        shares[name] = within / max(1, len(costs))
        if shares[name] >= _ENOUGH:
            break
    best = max(shares, key=lambda name: min(shares[name], _ENOUGH))
    if not shares[best]:
        raise UserError(_refusal(config.kind.sizes[0], limits, costs))
    say(f"space {best}: {shares[best]:.0%} of {_SAMPLES} sampled candidates are within the limits")
    return best


def _sampled_costs(
    config: ImageSearchConfig, candidates: Candidates, device: str, say: Callable[[str], None]
) -> list[Costs]:
    meter, rng = told_costs(config, candidates, device, say).meter, random.Random(config.seed)
    found: list[Costs] = []
    for _ in range(_SAMPLES):
        try:
            costs = meter.counts(candidates.sample(rng))
            check_computes(costs)
        except EvaluationError:
            # During the search, such a candidate fails and the search carries on.
            continue
        found.append(costs)
    return found


def _refusal(smallest: str, limits: Costs, costs: list[Costs]) -> str:
    """Why nothing is within the limits, and what would be."""
    told = strictest([breaches(one, limits) for one in costs], costs)
    # The candidate that is least beyond the limits shows which would be met.
    nearest = min(costs, key=lambda one: max(one[cost] / limits[cost] for cost in limits))
    met = " ".join(
        f"--limit {cost}={amount(cost, _rounded_up(nearest[cost])).replace(' ', '')}"
        for cost in limits
        if nearest[cost] > limits[cost]
    )
    return f"no space has networks within the limits: {told}; {smallest} has some with {met}."


def _rounded_up(value: float) -> float:
    """To two digits, so that what is written is a limit that the value is within."""
    digit = 10 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / digit) * digit
