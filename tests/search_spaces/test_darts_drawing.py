from __future__ import annotations

import random

import search_spaces
from search_spaces import Edge


def test_graph_of_a_known_genotype():
    space = search_spaces.create("darts", nodes=2)
    graph = space.graph(
        space.parse(
            '[[["sep_conv_3x3",0],["none",1],["skip_connect",1],["dil_conv_5x5",2]],'
            '[["none",0],["none",1],["max_pool_3x3",0],["sep_conv_3x3",2]]]'
        )
    )
    normal = ("normal.k-2", "normal.k-1", "normal.node1", "normal.node2", "normal.output")
    reduction = ("reduction.k-2", "reduction.k-1", "reduction.node2", "reduction.output")
    assert graph.nodes == normal + reduction
    assert graph.edges == (
        Edge("normal.k-2", "normal.node1", "sep_conv_3x3"),
        Edge("normal.k-1", "normal.node2", "skip_connect"),
        Edge("normal.node1", "normal.node2", "dil_conv_5x5"),
        Edge("normal.node1", "normal.output"),
        Edge("normal.node2", "normal.output"),
        Edge("reduction.k-2", "reduction.node2", "max_pool_3x3"),
        Edge("reduction.node2", "reduction.output"),
    )


def test_nodes_are_unique_and_in_topological_order():
    space = search_spaces.create("darts", nodes=5)
    rng = random.Random(0)
    for _ in range(20):
        graph = space.graph(space.sample(rng))
        place = {node: index for index, node in enumerate(graph.nodes)}
        assert len(place) == len(graph.nodes)
        assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
