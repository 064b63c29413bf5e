from __future__ import annotations

import copy

import numpy as np
import pytest

from nas.controllers.encodings import encoding_of
from nas.controllers.pool import EncodedPool, ListedPool, Pool, pool_of
from search_spaces import create
from search_spaces.space import SearchSpace

KINDS = (ListedPool, EncodedPool)


def test_small_spaces_are_listed(tiny_space: SearchSpace) -> None:
    assert isinstance(pool_of(tiny_space), ListedPool)
    assert isinstance(pool_of(create("fastnas")), EncodedPool)


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_of_one_network_are_known_by_it(
    kind: type[Pool], tiny_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The catalogue of the fixture's space is shared, so that this one must not be taken for it.
    class Symmetric(type(tiny_space)):  # type: ignore[misc]
        def canonical_key(self, genotype: object) -> str:
            first, second, third = genotype.value  # type: ignore[attr-defined]
            return f"{sorted((first, second))}{third}"

    pool = kind(Symmetric(tiny_space.decisions))
    assert pool.network((0, 1, 2)) == pool.network((1, 0, 2))
    assert pool.network((0, 1, 2)) != pool.network((0, 1, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_encoding(kind: type[Pool], tiny_space: SearchSpace) -> None:
    choices = np.array([[0, 1, 2], [1, 1, 0]])
    pool = kind(tiny_space)
    assert pool.features(choices) == pytest.approx(encoding_of(tiny_space)(choices))
    assert pool.blocks == encoding_of(tiny_space).blocks


@pytest.mark.parametrize("kind", KINDS)
def test_proposals_are_different(kind: type[Pool], tiny_space: SearchSpace) -> None:
    proposed = kind(tiny_space).propose(np.array([[0, 0, 0]]), (), np.random.default_rng(0))
    assert len({tuple(row) for row in proposed.tolist()}) == len(proposed) == 12


def test_listed_proposals_are_new_while_there_are_new_ones(tiny_space: SearchSpace) -> None:
    pool = ListedPool(tiny_space)
    parents = np.array([[0, 0, 0]])
    every = pool.propose(parents, (), np.random.default_rng(0)).tolist()
    known = {pool.network(choices) for choices in every[:10]}
    proposed = pool.propose(parents, known, np.random.default_rng(0)).tolist()
    assert sorted(proposed) == sorted(every[10:])
    known |= {pool.network(choices) for choices in every}
    assert len(pool.propose(parents, known, np.random.default_rng(0))) > 0


def test_large_spaces_propose_a_few_neighbours_and_random_ones() -> None:
    space = create("fastnas")
    parents = np.zeros((3, len(space.decisions)), dtype=np.int64)
    proposed = EncodedPool(space).propose(parents, (), np.random.default_rng(0))
    changed = (proposed != 0).sum(axis=1)
    assert len(proposed) <= 96 + 32
    assert 60 <= (changed == 1).sum() <= 96
    assert 25 <= (changed > 5).sum() <= 32


@pytest.mark.parametrize("kind", KINDS)
def test_random_candidate_is_new_if_there_is_a_new_one(
    kind: type[Pool], tiny_space: SearchSpace
) -> None:
    pool = kind(tiny_space)
    every = [(a, b, c) for a in range(2) for b in range(2) for c in range(3)]
    known = {pool.network(choices) for choices in every[1:]}
    assert pool.random(known, np.random.default_rng(0)) == every[0]
    known.add(pool.network(every[0]))
    assert pool.random(known, np.random.default_rng(0)) in every


@pytest.mark.parametrize("kind", KINDS)
def test_deep_copy_is_shared(kind: type[Pool], tiny_space: SearchSpace) -> None:
    pool = kind(tiny_space)
    assert copy.deepcopy(pool) is pool
