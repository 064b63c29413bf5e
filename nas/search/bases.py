"""The bases of penalties that are given none."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from latency.costs import amount
from nas.errors import UserError, sentence
from nas.evaluation.evaluation import EvaluationError
from nas.evaluation.known import Known
from nas.search.config import SearchConfig
from rewards import automatic_base
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

_SAMPLES = 200
"""Genotypes whose median cost is the automatic base."""
_MEASURED = 11
"""Of these, how many are measured where networks have to run for the cost."""

C = TypeVar("C", bound=SearchConfig)


class Costs(Protocol):
    """What knows the costs of a genotype without training it."""

    def counts(self, genotype: Genotype) -> Mapping[str, float]:
        """Costs for which nothing has to run, such as params, macs and flops."""

    def known(self, genotype: Genotype) -> Known:
        """The same, and costs that take a measurement."""


def with_bases(config: C, space: SearchSpace, costs: Costs, say: Callable[[str], None]) -> C:
    """A configuration whose automatic bases are numbers.

    Args:
        config: Of the search.
        space: Where genotypes are sampled.
        costs: Tells what they cost.
        say: Told of every base.

    Raises:
        UserError: If no sampled genotype has the cost of a penalty.
    """
    if not any(penalty.base == "auto" for penalty in config.reward.penalties):
        return config
    say(f"bases of the penalties: counting {_SAMPLES} sampled genotypes")
    bases = _median_costs(space, costs, config)
    for cost, base in bases.items():
        say(f"base of the penalty on {cost}: {amount(cost, base)}")
    penalties = [
        p.model_copy(update={"base": bases[p.cost]}) if p.base == "auto" else p
        for p in config.reward.penalties
    ]
    return with_reward(config, penalties=tuple(penalties))


def with_reward(config: C, **changes: Any) -> C:
    """A configuration with changes of its reward."""
    return config.model_copy(update={"reward": config.reward.model_copy(update=changes)})


def _median_costs(space: SearchSpace, costs: Costs, config: SearchConfig) -> dict[str, float]:
    rng = random.Random(config.seed)
    counted = _told(costs.counts, [space.sample(rng) for _ in range(_SAMPLES)])
    bases = {}
    for penalty in config.reward.penalties:
        if penalty.base != "auto":
            continue
        if all(penalty.cost in known for known, _ in counted):
            figures = [known[penalty.cost] for known, _ in counted]
        else:
            # A measurement takes a second or more, so only the middle of the FLOPs is measured.
            middle = statistics.median(known["flops"] for known, _ in counted)
            nearest = sorted(counted, key=lambda pair: abs(pair[0]["flops"] - middle))[:_MEASURED]
            measured = _told(
                lambda genotype: costs.known(genotype).costs, [genotype for _, genotype in nearest]
            )
            figures = [known[penalty.cost] for known, _ in measured]
        # A network in which no path leads to the logits costs nothing, and is none.
        bases[penalty.cost] = automatic_base([figure for figure in figures if figure > 0])
    return bases


def _told(
    tell: Callable[[Genotype], Mapping[str, float]], genotypes: list[Genotype]
) -> list[tuple[Mapping[str, float], Genotype]]:
    """The costs of the genotypes that have some; a search fails the others, and goes on."""
    told, reason = [], ""
    for genotype in genotypes:
        try:
            told.append((tell(genotype), genotype))
        except EvaluationError as error:
            reason = str(error)
    if not told:
        raise UserError(sentence(f"the base of a penalty cannot be found: {reason}"))
    return told
