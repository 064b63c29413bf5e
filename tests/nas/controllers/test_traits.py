from __future__ import annotations

import copy

import numpy as np
import pytest

import search_spaces
from nas.controllers.neighbours import random_choices
from nas.controllers.traits import TraitReader, steps
from search_spaces.graph import Edge, Graph
from search_spaces.space import SearchSpace

NONE, SKIP, CONV1, CONV3, POOL = range(5)


@pytest.fixture(scope="module")
def cells() -> SearchSpace:
    return search_spaces.create("nasbench201")


@pytest.fixture(scope="module")
def reader(cells: SearchSpace) -> TraitReader:
    return TraitReader(cells)


def graph(*edges: tuple[str, str, str]) -> Graph:
    nodes = ("in", "middle", "out")
    return Graph(nodes, tuple(Edge(*edge) for edge in edges))


def test_steps_number_what_occurs_more_than_once() -> None:
    twice = graph(("in", "middle", "conv"), ("middle", "out", "conv"), ("in", "out", "pool"))
    assert sorted(steps(twice)) == [
        (("conv",), 1),
        (("conv",), 2),
        (("in", "conv", "conv", "out"), 1),
        (("in", "pool", "out"), 1),
        (("pool",), 1),
    ]


@pytest.mark.parametrize("label", ["", "skip", "skip_connect", "residual"])
def test_skip_connections_are_no_steps(label: str) -> None:
    around = graph(("in", "middle", label), ("middle", "out", "conv"))
    straight = Graph(("in", "out"), (Edge("in", "out", "conv"),))
    assert steps(around) == steps(straight)


@pytest.mark.parametrize("name", ["nasbench201", "fastnas"])
def test_distances_of_random_candidates_are_1_on_average(name: str) -> None:
    space = search_spaces.create(name)
    traits = TraitReader(space)(random_choices(space, 400, np.random.default_rng(1)))
    for block in (traits.decisions, traits.network):
        distances = ((block[:200] - block[200:]) ** 2).sum(axis=1)
        assert distances.mean() == pytest.approx(1, abs=0.1)
    assert (traits.totals**2).sum(axis=1).mean() == pytest.approx(1, abs=0.1)


def test_candidates_of_one_network_differ_in_their_decisions_alone(reader: TraitReader) -> None:
    # Node 1 gets nothing, so that what leaves it has no effect.
    dead = [
        [NONE, CONV3, edge, CONV1, other, POOL] for edge, other in ((NONE, CONV1), (POOL, POOL))
    ]
    traits = reader(np.array(dead))
    assert np.array_equal(traits.network[0], traits.network[1])
    assert ((traits.decisions[0] - traits.decisions[1]) ** 2).sum() > 0


def test_network_distance_is_the_sum_of_the_differences_of_counts(reader: TraitReader) -> None:
    # From input to output: a convolution; two of them side by side; the same and a pool.
    one, two, three = reader(
        np.array(
            [
                [NONE, NONE, NONE, CONV3, NONE, NONE],
                [SKIP, NONE, NONE, CONV3, CONV3, NONE],
                [SKIP, POOL, NONE, CONV3, CONV3, SKIP],
            ]
        )
    ).network
    # More by one operation and one path each time.
    assert ((two - one) ** 2).sum() == pytest.approx(((three - two) ** 2).sum())
    assert ((three - one) ** 2).sum() == pytest.approx(2 * ((two - one) ** 2).sum())


def test_totals_count_options_wherever_they_are_taken(reader: TraitReader) -> None:
    choices = np.array(
        [[CONV3, NONE, NONE, SKIP, NONE, NONE], [NONE, NONE, SKIP, NONE, NONE, CONV3]]
    )
    totals = reader(choices).totals
    assert totals.shape == (2, 5)
    assert np.array_equal(totals[0], totals[1])


def test_decisions_with_other_options_have_totals_of_their_own() -> None:
    space = search_spaces.create("fastnas")
    options = {decision.options for decision in space.decisions}
    choices = random_choices(space, 1, np.random.default_rng(0))
    assert TraitReader(space)(choices).totals.shape == (1, sum(map(len, options)))


def test_rows_and_joined_traits_stay_in_order(reader: TraitReader, cells: SearchSpace) -> None:
    traits = reader(random_choices(cells, 5, np.random.default_rng(0)))
    again = traits[np.array([0, 1])].joined(traits[2:])
    assert len(again) == 5
    assert np.array_equal(again.decisions, traits.decisions)
    assert np.array_equal(again.network, traits.network)
    assert np.array_equal(again.totals, traits.totals)


def test_deep_copy_of_a_reader_is_itself(reader: TraitReader) -> None:
    assert copy.deepcopy(reader) is reader
