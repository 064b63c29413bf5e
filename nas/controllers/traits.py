"""What a model of the objectives compares candidates by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nas.controllers.encodings import genotype_of
from nas.controllers.neighbours import Choices, random_choices
from nas.controllers.paths import Path, operation_counts, path_counts
from search_spaces.graph import Graph
from search_spaces.space import SearchSpace

Matrix = NDArray[np.float32]

_PASSING = frozenset({"", "skip", "skip_connect", "residual"})
"""Labels of edges that hand on what they get; a path is the same with and without them."""

_SAMPLE = 1000
"""Random candidates that decide which counts get a column, and how blocks are scaled."""

_CACHED = 20_000
"""Candidates whose counts are kept, the newest."""


@dataclass(frozen=True)
class Traits:
    """Some candidates, seen in three ways; each attribute has a row per candidate.

    Attributes:
        decisions: One-hot; the squared distance is the share of decisions that differ.
        network: The squared distance is the number of operations and of paths that differ.
        totals: How many decisions take each option, decisions with the same options together.
    """

    decisions: Matrix
    network: Matrix
    totals: Matrix

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.decisions)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Traits:
        """Some of the candidates."""
        return Traits(self.decisions[rows], self.network[rows], self.totals[rows])

    def joined(self, other: Traits) -> Traits:
        """These candidates, then the other ones."""
        return Traits(
            np.vstack([self.decisions, other.decisions]),
            np.vstack([self.network, other.network]),
            np.vstack([self.totals, other.totals]),
        )


class TraitReader:
    """Reads the traits of the candidates of a space.

    The network is described by the operations on the paths from an input to an output of
    `SearchSpace.graph` (path encoding, White et al. 2019, https://arxiv.org/abs/1910.11858).
    Skip connections are left out of a path: what was learned of a long way is then known of the
    same way with a shortcut in it. A count of n fills the first n of its columns, so that the
    squared distance of two rows is the sum of the differences of their counts.

    Distances are scaled to be 1 on average for two random candidates, `totals` to have mean 0
    and mean square length 1. A reader has no state but caches; a deep copy of it is itself.

    Args:
        space: The search space.
        columns: Largest number of columns of `network`; the most common ones are kept.
    """

    def __init__(self, space: SearchSpace, columns: int = 384) -> None:
        self._space = space
        self._sizes = [len(decision.options) for decision in space.decisions]
        kinds = dict.fromkeys(decision.options for decision in space.decisions)
        ends = np.cumsum([len(options) for options in kinds]).tolist()
        first = {options: end - len(options) for options, end in zip(kinds, ends, strict=True)}
        self._first = np.array([first[decision.options] for decision in space.decisions])
        self._options = int(ends[-1])
        self._counted = lru_cache(maxsize=_CACHED)(self._count)
        sample = random_choices(space, _SAMPLE, np.random.default_rng(0))
        self._columns = _common((self._counted(tuple(row)) for row in sample.tolist()), columns)
        self._scales = [_scale(block) for block in (self._one_hot(sample), self._network(sample))]
        totals = self._totals(sample)
        self._centre = totals.mean(axis=0)
        length = np.sqrt(((totals - self._centre) ** 2).sum(axis=1).mean())
        self._unit = 1 / length if length > 0 else 1.0

    def __deepcopy__(self, memo: dict[int, object]) -> TraitReader:
        return self

    def __call__(self, choices: Choices) -> Traits:
        """Traits of candidates, given as indices of shape (candidates, decisions)."""
        decisions, network = self._scales
        return Traits(
            (self._one_hot(choices) * decisions).astype(np.float32),
            (self._network(choices) * network).astype(np.float32),
            ((self._totals(choices) - self._centre) * self._unit).astype(np.float32),
        )

    def _one_hot(self, choices: Choices) -> NDArray[np.float64]:
        taken = zip(self._sizes, choices.T, strict=True)
        return np.hstack([np.eye(size)[column] for size, column in taken])

    def _totals(self, choices: Choices) -> NDArray[np.float64]:
        totals = np.zeros((len(choices), self._options))
        for column in (choices + self._first).T:
            totals[np.arange(len(choices)), column] += 1
        return totals

    def _network(self, choices: Choices) -> NDArray[np.float64]:
        block = np.zeros((len(choices), len(self._columns)))
        for row, candidate in enumerate(choices.tolist()):
            known = self._columns
            filled = [known[name] for name in self._counted(tuple(candidate)) if name in known]
            block[row, filled] = 1
        return block

    def _count(self, choices: Sequence[int]) -> tuple[tuple[Path, int], ...]:
        return steps(self._space.graph(genotype_of(self._space, choices)))


def steps(graph: Graph) -> tuple[tuple[Path, int], ...]:
    """Every operation and path of a graph, once for each time that it occurs, numbered.

    Operations and paths have no skip connections; see `TraitReader`.
    """
    counts = Counter(
        {name: count for name, count in operation_counts(graph).items() if name[0] not in _PASSING}
    )
    for path, count in path_counts(graph).items():
        # The ends tell a path of one operation from that operation.
        counts[tuple(label for label in path if label not in _PASSING)] += count
    return tuple((name, n) for name, count in counts.items() for n in range(1, count + 1))


def _common(counted: Iterable[tuple[tuple[Path, int], ...]], limit: int) -> dict[object, int]:
    occurring = Counter(step for candidate in counted for step in candidate)
    # Ties are broken by name: the columns must not depend on the order of the sample.
    ranked = sorted(occurring, key=lambda step: (-occurring[step], step))
    return {step: column for column, step in enumerate(ranked[:limit])}


def _scale(block: NDArray[np.float64]) -> float:
    # The expected squared distance of two independent draws is twice the variance.
    distance = 2 * float(block.var(axis=0).sum())
    return float(1 / np.sqrt(distance)) if distance > 0 else 1.0
