"""The candidates that models of the objectives are asked about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.controllers.candidates import LARGEST, catalogue_of
from nas.controllers.neighbours import Choices, neighbours, random_choices
from nas.controllers.scalarisation import Array, closeness
from nas.controllers.traits import TraitReader, Traits
from search_spaces.space import SearchSpace

_PARENTS = 20
"""Trials, the best, whose neighbours are looked at in a large space."""


class Shortlist(ABC):
    """Chooses candidates that deserve a closer look.

    It has no state but caches; a deep copy of it is itself.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def __deepcopy__(self, memo: dict[int, object]) -> Shortlist:
        return self

    @abstractmethod
    def read(self, choices: Choices) -> Traits:
        """Traits of candidates, given as indices of shape (candidates, decisions)."""

    @abstractmethod
    def choose(
        self,
        tried: Choices,
        expected: Callable[[Traits], Array],
        directions: Array,
        rng: np.random.Generator,
    ) -> Choices:
        """Candidates worth a closer look.

        Args:
            tried: Candidates that were tried, the best first.
            expected: Expected gains of any candidates, of shape (candidates, objectives), as
                `closeness` takes them: the quality first, then the costs.
            directions: Preferences of shape (preferences, objectives).
            rng: Source of randomness.

        Returns:
            Shape (candidates, decisions), at least one.
        """


class ListedShortlist(Shortlist):
    """The shortlist of a space that is small enough for every candidate to be looked at.

    Sets of choices that build the same network have the same quality, but a cost may have been
    measured with parts that have no effect; the one that is expected to cost least stands for all.
    """

    length = 1000

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self._catalogue = catalogue_of(space)
        self._traits = TraitReader(space)(self._catalogue.choices)
        self._sizes = tuple(len(decision.options) for decision in space.decisions)

    def read(self, choices: Choices) -> Traits:
        rows: NDArray[np.int64] = np.ravel_multi_index(tuple(choices.T), self._sizes)
        return self._traits[rows]

    def choose(
        self,
        tried: Choices,
        expected: Callable[[Traits], Array],
        directions: Array,
        rng: np.random.Generator,
    ) -> Choices:
        rows = self._new(tried)
        gains = expected(self._traits[rows])
        first = _first_of_each(self._catalogue.networks[rows], gains[:, 1:].sum(axis=1))
        order = np.argsort(-closeness(gains[first], directions), kind="stable")
        chosen: Choices = self._catalogue.choices[rows[first[order[: self.length]]]]
        return chosen

    def _new(self, tried: Choices) -> NDArray[np.int64]:
        networks = self._catalogue.networks
        known = np.zeros(len(self._catalogue.features), dtype=bool)
        known[self._catalogue.networks_of(tried)] = True
        new = np.flatnonzero(~known[networks])
        return new if len(new) else np.arange(len(networks))


class SampledShortlist(Shortlist):
    """The shortlist of a large space: what is near the best trials, and some at random."""

    near = 400
    far = 100

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self._reader = TraitReader(space)

    def read(self, choices: Choices) -> Traits:
        return self._reader(choices)

    def choose(
        self,
        tried: Choices,
        expected: Callable[[Traits], Array],
        directions: Array,
        rng: np.random.Generator,
    ) -> Choices:
        parents = tried[:_PARENTS].tolist()
        near = np.unique(np.vstack([neighbours(self._space, p) for p in parents]), axis=0)
        if len(near) > self.near:
            near = near[rng.choice(len(near), self.near, replace=False)]
        far = random_choices(self._space, self.far, rng)
        return np.unique(np.vstack([near, far]), axis=0)


def shortlist_of(space: SearchSpace) -> Shortlist:
    """The shortlist that fits the size of a space, made once for all equal spaces."""
    key = type(space), space.fingerprint, space.decisions
    if key not in _shortlists:
        small = space.size <= LARGEST
        _shortlists[key] = ListedShortlist(space) if small else SampledShortlist(space)
    return _shortlists[key]


_shortlists: dict[tuple[object, ...], Shortlist] = {}


def _first_of_each(groups: NDArray[np.int64], merit: Array) -> NDArray[np.int64]:
    """Index of the member of each group that has the most merit, the earlier of equals."""
    order = np.lexsort((-merit, groups))
    starts: NDArray[np.int64] = order[np.r_[True, np.diff(groups[order]) > 0]]
    return starts
