"""What the candidates of a search space cost, as histograms for a terminal."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

from latency.costs import amount, heading
from nas.errors import UserError
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import EvaluationError
from nas.kinds.registry import kind_named
from search_spaces.space import SearchSpace

COSTS = ("params", "macs")
_BINS = 10
_BAR = 40
"""Characters of the longest bar."""


def sampled_costs(
    space: SearchSpace, count: int, size: tuple[int, int], classes: int, seed: int
) -> dict[str, list[float]]:
    """Parameters and multiply-accumulates of random candidates, by cost.

    Args:
        space: The space; its candidates are built for colour images.
        count: Number of candidates. Those in which no path leads to the output are left out.
        size: Height and width of an image, in pixels.
        classes: Number of classes.
        seed: Of the draws.

    Raises:
        UserError: If no candidate can be built.
    """
    kind = kind_named(space.kind)
    candidates = kind.candidates(space, kind.evaluation_settings(), classes, (1, 3, *size))
    meter, rng = CostMeter(candidates), random.Random(seed)
    found: dict[str, list[float]] = {cost: [] for cost in COSTS}
    reason = "no path leads through any of them"
    for _ in range(count):
        try:
            costs = meter.counts(candidates.sample(rng))
        except EvaluationError as error:
            reason = str(error)
            continue
        for cost, values in found.items():
            if costs["macs"]:
                values.append(costs[cost])
    if not found["macs"]:
        raise UserError(f"space {space.name}: none of {count} candidates has costs: {reason}.")
    return found


def histogram(cost: str, values: Sequence[float]) -> list[str]:
    """Lines that show how a cost is spread, on a logarithmic scale.

    Args:
        cost: Its name.
        values: Above 0.
    """
    low, high = min(values), max(values)
    middle = amount(cost, statistics.median(values))
    title = (
        f"{heading(cost)} of {len(values)} candidates: {amount(cost, low)} to "
        f"{amount(cost, high)}, median {middle}"
    )
    if low == high:
        return [title]
    step = math.log(high / low) / _BINS
    numbers = [min(_BINS - 1, int(math.log(value / low) / step)) for value in values]
    counts = [numbers.count(index) for index in range(_BINS)]
    starts = [amount(cost, low * math.exp(step * index)) for index in range(_BINS)]
    width = max(map(len, starts))
    lines = [
        f"  from {start:>{width}}  {'█' * math.ceil(_BAR * count / max(counts))} {count}"
        for start, count in zip(starts, counts, strict=True)
    ]
    return [title, *lines]
