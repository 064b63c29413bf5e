"""The candidates among which a model chooses the next one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from typing import ClassVar

import numpy as np

from nas.controllers.candidates import LARGEST, catalogue_of
from nas.controllers.encodings import Features, encoding_of, genotype_of
from nas.controllers.neighbours import Choices, neighbours, random_choices
from search_spaces.space import SearchSpace

_TRIES = 100
"""Random candidates looked at in search of one whose network is not known."""


class Pool(ABC):
    """A search space as a model sees it: candidates, their features, and what they build.

    A pool has no state but caches; a deep copy of it is itself.

    Args:
        space: The search space.

    Attributes:
        blocks: The blocks of the features.
    """

    blocks: tuple[slice, ...]
    near: ClassVar[int]
    far: ClassVar[int]

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self.blocks = encoding_of(space).blocks

    def __deepcopy__(self, memo: dict[int, object]) -> Pool:
        return self

    @abstractmethod
    def network(self, choices: Sequence[int]) -> Hashable:
        """What a candidate builds: equal for candidates that build the same network."""

    @abstractmethod
    def features(self, choices: Choices) -> Features:
        """Features of candidates, of shape (candidates, columns)."""

    @abstractmethod
    def fresh(self, choices: Choices, known: Collection[Hashable]) -> Choices:
        """One candidate for each network outside `known`.

        Where this takes too long to be found out, all different candidates.
        """

    def propose(
        self, parents: Choices, known: Collection[Hashable], rng: np.random.Generator
    ) -> Choices:
        """Candidates one decision away from the parents, and random ones, fresh if there are any.

        Args:
            parents: Candidates to look around, of shape (candidates, decisions).
            known: Networks to leave out.
            rng: Source of randomness.

        Returns:
            Shape (candidates, decisions), at least one.
        """
        near = neighbours(self._space, parents)
        if len(near) > self.near:
            near = near[rng.choice(len(near), self.near, replace=False)]
        candidates = np.vstack([near, random_choices(self._space, self.far, rng)])
        fresh = self.fresh(candidates, known)
        return fresh if len(fresh) else candidates

    def random(self, known: Collection[Hashable], rng: np.random.Generator) -> tuple[int, ...]:
        """A random candidate, of a network outside `known` if one is found."""
        tried = random_choices(self._space, _TRIES, rng).tolist()
        return self.first_fresh(tried, known)

    def first_fresh(
        self, candidates: Sequence[Sequence[int]], known: Collection[Hashable]
    ) -> tuple[int, ...]:
        """The first candidate of a network outside `known`, or the first of all."""
        fresh = (choices for choices in candidates if self.network(choices) not in known)
        return tuple(next(fresh, candidates[0]))


class ListedPool(Pool):
    """The pool of a space that is small enough for a catalogue: looking at candidates is free."""

    near = 1000
    far = 1000

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self._catalogue = catalogue_of(space)

    def network(self, choices: Sequence[int]) -> int:
        return self._catalogue.network_of(choices)

    def features(self, choices: Choices) -> Features:
        features: Features = self._catalogue.features[self._catalogue.networks_of(choices)]
        return features

    def fresh(self, choices: Choices, known: Collection[Hashable]) -> Choices:
        networks, first = np.unique(self._catalogue.networks_of(choices), return_index=True)
        fresh: Choices = choices[first[[network not in known for network in networks.tolist()]]]
        return fresh


class EncodedPool(Pool):
    """The pool of a large space, where every new candidate takes a third of a millisecond."""

    near = 96
    far = 32

    def network(self, choices: Sequence[int]) -> str:
        return self._space.canonical_key(genotype_of(self._space, choices))

    def features(self, choices: Choices) -> Features:
        return encoding_of(self._space)(choices)

    def fresh(self, choices: Choices, known: Collection[Hashable]) -> Choices:
        return np.unique(choices, axis=0)


def pool_of(space: SearchSpace) -> Pool:
    """The pool that fits the size of a space."""
    return ListedPool(space) if space.size <= LARGEST else EncodedPool(space)
