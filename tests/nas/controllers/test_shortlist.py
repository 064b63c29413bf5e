from __future__ import annotations

import copy

import numpy as np
import pytest

import search_spaces
from nas.controllers.candidates import catalogue_of
from nas.controllers.neighbours import Choices, neighbours, random_choices
from nas.controllers.scalarisation import Array, preferences
from nas.controllers.shortlist import ListedShortlist, SampledShortlist, shortlist_of
from nas.controllers.traits import Traits
from search_spaces.space import SearchSpace

NONE, SKIP, CONV1, CONV3, POOL = range(5)
DIRECTIONS = preferences(32, 2, np.random.default_rng(0))


@pytest.fixture(scope="module")
def cells() -> SearchSpace:
    return search_spaces.create("nasbench201")


@pytest.fixture(scope="module")
def large() -> SearchSpace:
    return search_spaces.create("darts")


def convolutions(traits: Traits) -> Array:
    """Quality and negated cost: the number of 3x3 convolutions, wherever they are."""
    count = traits.totals[:, CONV3].astype(np.float64)
    return np.stack([count - count.min(), count.max() - count], axis=1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_size_of_the_space_decides(cells: SearchSpace, large: SearchSpace) -> None:
    assert isinstance(shortlist_of(cells), ListedShortlist)
    assert isinstance(shortlist_of(large), SampledShortlist)


def test_shortlist_is_made_once_and_never_copied(cells: SearchSpace) -> None:
    shortlist = shortlist_of(search_spaces.create("nasbench201"))
    assert shortlist_of(cells) is shortlist
    assert copy.deepcopy(shortlist) is shortlist


def test_listed_candidates_build_different_and_new_networks(cells: SearchSpace) -> None:
    tried = random_choices(cells, 30, rng(1))
    chosen = shortlist_of(cells).choose(tried, convolutions, DIRECTIONS, rng())
    networks = catalogue_of(cells).networks_of(chosen)
    assert len(set(networks.tolist())) == len(chosen) == ListedShortlist.length
    assert not set(networks.tolist()) & set(catalogue_of(cells).networks_of(tried).tolist())


def test_cheapest_choices_stand_for_a_network(cells: SearchSpace) -> None:
    tried = random_choices(cells, 30, rng(1))
    chosen = shortlist_of(cells).choose(tried, convolutions, DIRECTIONS, rng())
    # What leaves node 1 has no effect where nothing reaches it: no convolution is wasted there.
    dead = chosen[chosen[:, 0] == NONE]
    assert len(dead) > 0
    assert CONV3 not in dead[:, [2, 4]]


def test_listed_candidates_come_from_all_along_the_front(cells: SearchSpace) -> None:
    chosen = shortlist_of(cells).choose(
        random_choices(cells, 30, rng(1)), convolutions, DIRECTIONS, rng()
    )
    # None and all are the worst in one objective, and gain nothing.
    assert {1, 2, 3, 4} <= set((chosen == CONV3).sum(axis=1).tolist()) <= {1, 2, 3, 4, 5}


def test_everything_is_listed_again_when_nothing_is_new(cells: SearchSpace) -> None:
    everything: Choices = catalogue_of(cells).choices
    chosen = shortlist_of(cells).choose(everything, convolutions, DIRECTIONS, rng())
    assert len(chosen) == ListedShortlist.length


@pytest.mark.parametrize("name", ["nasbench201", "darts"])
def test_traits_are_those_of_the_candidates(name: str) -> None:
    space = search_spaces.create(name)
    choices = random_choices(space, 6, rng())
    apart = [shortlist_of(space).read(choices[row : row + 1]) for row in range(6)]
    together = shortlist_of(space).read(choices)
    for row, traits in enumerate(apart):
        assert np.array_equal(traits.network[0], together.network[row])
        assert np.array_equal(traits.decisions[0], together.decisions[row])


def test_sampled_candidates_are_near_the_best_or_random(large: SearchSpace) -> None:
    tried = random_choices(large, 30, rng(1))
    chosen = shortlist_of(large).choose(tried, convolutions, DIRECTIONS, rng())
    near = {tuple(row) for parent in tried[:20] for row in neighbours(large, parent).tolist()}
    found = sum(tuple(row) in near for row in chosen.tolist())
    assert found == SampledShortlist.near
    assert len(chosen) == SampledShortlist.near + SampledShortlist.far


def test_sampled_candidates_follow_the_generator(large: SearchSpace) -> None:
    tried = random_choices(large, 30, rng(1))
    first, again, other = (
        shortlist_of(large).choose(tried, convolutions, DIRECTIONS, rng(seed)) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
