"""What is known of a candidate before it is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from search_spaces.genotype import Genotype

_REMEMBERED = 512
"""Candidates: more than are sampled before a search."""


@dataclass(frozen=True)
class Known:
    """Costs, told without training.

    Attributes:
        costs: By name: params, macs, flops; latency in milliseconds, memory in bytes and energy in
            millijoules where they are asked for.
        details: Whatever explains a cost, under its name.
    """

    costs: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)


class Remembered:
    """Finds what is known of a candidate once, though several ask for it.

    Args:
        find: What finds it.
    """

    def __init__(self, find: Callable[[Genotype], Known]) -> None:
        self._find = find
        self._known: dict[Genotype, Known] = {}

    def __call__(self, genotype: Genotype) -> Known:
        """What is known of a candidate."""
        if genotype not in self._known:
            found = self._find(genotype)
            if len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[genotype] = found
        return self._known[genotype]
