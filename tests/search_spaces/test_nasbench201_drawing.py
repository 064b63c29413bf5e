from __future__ import annotations

import random

import pytest

import search_spaces
from search_spaces import Edge


@pytest.fixture
def space():
    return search_spaces.create("nasbench201")


def test_graph_of_a_known_cell(space):
    text = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    graph = space.graph(space.parse(text))
    assert graph.nodes == ("input", "node1", "node2", "output")
    assert graph.edges == (
        Edge("input", "node1", "nor_conv_3x3"),
        Edge("node1", "node2", "avg_pool_3x3"),
        Edge("input", "output", "skip_connect"),
        Edge("node2", "output", "nor_conv_1x1"),
    )


def test_what_cannot_contribute_is_not_drawn(space):
    text = "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    graph = space.graph(space.parse(text))
    assert graph.nodes == ("input", "output")
    assert graph.edges == (Edge("input", "output", "skip_connect"),)


def test_cell_of_zeros_has_no_edges(space):
    graph = space.graph(space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"))
    assert graph.nodes == ("input", "output")
    assert graph.edges == ()


def test_nodes_are_unique_and_in_topological_order(space):
    rng = random.Random(0)
    for _ in range(50):
        graph = space.graph(space.sample(rng))
        place = {node: index for index, node in enumerate(graph.nodes)}
        assert len(place) == len(graph.nodes)
        assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
