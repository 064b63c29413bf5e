"""Candidates as rows of numbers, for models that predict rewards."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.controllers.neighbours import Choices, random_choices
from nas.controllers.paths import Path, operation_counts, path_counts
from search_spaces.genotype import Genotype
from search_spaces.graph import Graph
from search_spaces.space import SearchSpace

Features = NDArray[np.float64]

_SAMPLE = 1000
"""Random candidates that decide which counts get a column, and how blocks are scaled."""

_CACHED = 10_000
"""Candidates whose counts are kept, the newest."""

_COUNTS: tuple[Callable[[Graph], Counter[Path]], ...] = (operation_counts, path_counts)


class Encoding:
    """Features of candidates: their decisions, and the paths through their networks.

    The first block of columns says which option every decision takes (one-hot). Two more blocks
    count what `SearchSpace.graph` shows: operations, and paths from an input to an output as
    sequences of operations (White et al. 2019, https://arxiv.org/abs/1910.11858). Graphs show
    what is built, so that these columns are equal for candidates that build the same network. A
    space whose graphs say nothing gets the first block alone.

    Every block is scaled such that the squared distance of two random candidates is 1 on average
    in that block alone. An encoding is a function of its space and never changes; a deep copy of
    it is itself.

    Args:
        space: The search space.
        columns: Largest number of columns of a block of counts; what is most common in random
            candidates gets one.

    Attributes:
        blocks: The columns of each block, in order.
    """

    blocks: tuple[slice, ...]

    def __init__(self, space: SearchSpace, columns: int = 256) -> None:
        self._space = space
        self._sizes = [len(decision.options) for decision in space.decisions]
        self._counted = lru_cache(maxsize=_CACHED)(self._count)
        sample = random_choices(space, _SAMPLE, np.random.default_rng(0))
        counted = [self._counted(tuple(choices)) for choices in sample.tolist()]
        self._columns = [
            _columns([counts[index] for counts in counted], columns)
            for index in range(len(_COUNTS))
        ]
        blocks = self._blocks(sample)
        self._scales = [_scale(block) for block in blocks]
        ends = np.cumsum([block.shape[1] for block in blocks]).tolist()
        starts = [0, *ends[:-1]]
        self.blocks = tuple(
            slice(start, end) for start, end in zip(starts, ends, strict=True) if end > start
        )

    def __deepcopy__(self, memo: dict[int, object]) -> Encoding:
        return self

    def __call__(self, choices: ArrayLike) -> Features:
        """Features of candidates.

        Args:
            choices: Index of the option taken, of shape (candidates, decisions).

        Returns:
            Shape (candidates, columns).
        """
        blocks = self._blocks(np.asarray(choices, dtype=np.int64))
        return np.hstack([block * scale for block, scale in zip(blocks, self._scales, strict=True)])

    def _blocks(self, choices: Choices) -> list[Features]:
        taken = zip(self._sizes, choices.T, strict=True)
        blocks = [np.hstack([np.eye(size)[column] for size, column in taken])]
        counted = [self._counted(tuple(row)) for row in choices.tolist()]
        for index, columns in enumerate(self._columns):
            block = np.zeros((len(choices), len(columns)))
            for row, counts in enumerate(counted):
                for name, count in counts[index].items():
                    if name in columns:
                        block[row, columns[name]] = count
            blocks.append(block)
        return blocks

    def _count(self, choices: tuple[int, ...]) -> list[Counter[Path]]:
        graph = self._space.graph(genotype_of(self._space, choices))
        return [count(graph) for count in _COUNTS]


def encoding_of(space: SearchSpace) -> Encoding:
    """The encoding of a space, made once for all equal spaces."""
    key = type(space), space.fingerprint, space.decisions
    if key not in _encodings:
        _encodings[key] = Encoding(space)
    return _encodings[key]


_encodings: dict[tuple[object, ...], Encoding] = {}


def genotype_of(space: SearchSpace, choices: Sequence[int]) -> Genotype:
    """The candidate that takes the options of these indices, one per decision."""
    return space.genotype(
        {
            decision.name: decision.options[choice]
            for decision, choice in zip(space.decisions, choices, strict=True)
        }
    )


def _columns(counts: Sequence[Counter[Path]], limit: int) -> dict[Path, int]:
    """A column for each of the most common names, but for those that occur in all alike."""
    occurring = Counter(name for count in counts for name in count)
    alike = {
        name
        for name, candidates in occurring.items()
        if candidates == len(counts) and len({count[name] for count in counts}) == 1
    }
    # Ties are broken by name: the columns must not depend on the order of the sample.
    ranked = sorted(occurring.keys() - alike, key=lambda name: (-occurring[name], name))
    return {name: column for column, name in enumerate(sorted(ranked[:limit]))}


def _scale(block: Features) -> float:
    # The expected squared distance of two independent draws is twice the variance.
    distance = 2 * float(block.var(axis=0).sum())
    return 1 / math.sqrt(distance) if distance > 0 else 1.0
