"""Hard limits of costs, looked at before a search starts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from nas.errors import UserError, sentence
from nas.evaluation.evaluation import EvaluationError
from nas.search.assembly import KnownCosts
from nas.search.breaches import breaches, told_hardest
from nas.search.config import SearchConfig
from search_spaces.space import SearchSpace

_SAMPLES = 200
"""Genotypes that tell which share of a space is within the limits."""


def check_limits(
    config: SearchConfig,
    space: SearchSpace,
    known_costs: KnownCosts,
    say: Callable[[str], None],
) -> None:
    """Looks whether anything is within the limits of a search, before it starts.

    Call it before what takes long, such as the training of a teacher. Without limits it does
    nothing.

    Args:
        config: Of the search.
        space: Where genotypes are sampled.
        known_costs: Their costs without training.
        say: Told the share within the limits, in a sentence.

    Raises:
        UserError: If a limited cost is not known, no cost is, or none of the genotypes is within
            the limits.
    """
    if not config.limits:
        return
    costs = _sampled_costs(space, known_costs, random.Random(config.seed))
    found = [breaches(known, config.limits) for known in costs]
    share = sum(not broken for broken in found) / len(found)
    if share == 0:
        raise UserError(
            f"none of {len(found)} sampled candidates is within the limits: "
            f"{told_hardest(found, costs)}; raise that limit."
        )
    say(f"{share:.1%} of {len(found)} sampled candidates are within the limits")


def _sampled_costs(
    space: SearchSpace, known_costs: KnownCosts, rng: random.Random
) -> list[Mapping[str, float]]:
    costs = []
    reason = ""
    for _ in range(_SAMPLES):
        try:
            costs.append(known_costs(space.sample(rng)))
        except EvaluationError as error:
            # The search will fail such a candidate, and go on.
            reason = str(error)
    if not costs:
        raise UserError(sentence(f"no cost of {_SAMPLES} sampled candidates is known: {reason}"))
    return costs
