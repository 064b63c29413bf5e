"""Every candidate of a small space."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.controllers.encodings import Encoding, Features, encoding_of, genotype_of
from nas.controllers.neighbours import Choices
from search_spaces.space import SearchSpace

LARGEST = 50_000
"""Spaces with more sets of choices are not listed."""


class Catalogue:
    """Every candidate of a small space, and which of them build the same network.

    It never changes; a deep copy of it is itself.

    Args:
        space: A search space of at most `LARGEST` sets of choices.
        encoding: The encoding of that space.

    Attributes:
        choices: Every set of choices, of shape (candidates, decisions).
        networks: For every set of choices, the row in `features` of the network it builds.
        features: For every different network, the mean of the features of its sets of choices.

    Raises:
        ValueError: If the space is larger.
    """

    def __init__(self, space: SearchSpace, encoding: Encoding) -> None:
        if space.size > LARGEST:
            raise ValueError(f"a space of {space.size} candidates is too large to be listed")
        self._sizes = tuple(len(decision.options) for decision in space.decisions)
        every = list(itertools.product(*(range(size) for size in self._sizes)))
        self.choices: Choices = np.array(every, dtype=np.int64)
        keys: dict[str, int] = {}
        networks = [
            keys.setdefault(space.canonical_key(genotype_of(space, choices)), len(keys))
            for choices in every
        ]
        self.networks: NDArray[np.int64] = np.array(networks, dtype=np.int64)
        self.features: Features = _mean_by_group(encoding(self.choices), self.networks)
        # Rows of `choices` sorted by network, and where the rows of each network start.
        self._rows = np.argsort(self.networks, kind="stable")
        self._starts = np.searchsorted(self.networks[self._rows], np.arange(len(keys) + 1))

    def __deepcopy__(self, memo: dict[int, object]) -> Catalogue:
        return self

    def network_of(self, choices: Sequence[int]) -> int:
        """Row in `features` of the network that a set of choices builds."""
        return int(self.networks_of(np.array([choices]))[0])

    def networks_of(self, choices: Choices) -> NDArray[np.int64]:
        """As `network_of`, for choices of shape (candidates, decisions)."""
        networks: NDArray[np.int64] = self.networks[np.ravel_multi_index(choices.T, self._sizes)]
        return networks

    def some_choices_of(self, network: int, rng: np.random.Generator) -> tuple[int, ...]:
        """A set of choices that builds a network, any of them with equal probability."""
        row = self._rows[rng.integers(self._starts[network], self._starts[network + 1])]
        return tuple(self.choices[row].tolist())


def catalogue_of(space: SearchSpace) -> Catalogue:
    """The catalogue of a space with its encoding, made once for all equal spaces."""
    key = type(space), space.fingerprint, space.decisions
    if key not in _catalogues:
        _catalogues[key] = Catalogue(space, encoding_of(space))
    return _catalogues[key]


_catalogues: dict[tuple[object, ...], Catalogue] = {}


def _mean_by_group(rows: Features, groups: NDArray[np.int64]) -> Features:
    sums = np.zeros((groups.max() + 1, rows.shape[1]))
    np.add.at(sums, groups, rows)
    means: Features = sums / np.bincount(groups)[:, None]
    return means
