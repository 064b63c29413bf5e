from __future__ import annotations

import random

import search_spaces
from search_spaces import Edge


def test_graph_of_a_known_genotype():
    space = search_spaces.create("fastnas", branches=3, cells=2)
    graph = space.graph(space.parse("[[8,[1,0,5,10],[4,0,9,9]],[[3,3],[4,0]]]"))
    assert graph.nodes == (
        "cell.input",
        "cell.op0",
        "cell.node1.op1",
        "cell.output",
        "encoder[0]",
        "encoder[3]",
        "decoder.block1",
        "decoder.block2",
        "decoder.output",
    )
    assert graph.edges == (
        Edge("cell.input", "cell.op0", "sep_conv5x5_dilation6"),
        Edge("cell.op0", "cell.node1.op1", "conv3x3_dilation3"),
        Edge("cell.input", "cell.output"),
        Edge("cell.node1.op1", "cell.output"),
        Edge("encoder[3]", "decoder.block1"),
        Edge("encoder[3]", "decoder.block1"),
        Edge("decoder.block1", "decoder.block2"),
        Edge("encoder[0]", "decoder.block2"),
        Edge("decoder.block2", "decoder.output"),
    )


def test_multiplicity_is_written_on_the_edge():
    space = search_spaces.create("fastnas", branches=2, cells=1)
    graph = space.graph(space.parse("[[1,[1,1,9,9]],[[0,1]]]"))
    assert Edge("cell.op0", "cell.output", "×2") in graph.edges


def test_nodes_are_unique_and_in_topological_order():
    space = search_spaces.create("fastnas", branches=6, cells=5)
    rng = random.Random(0)
    for _ in range(20):
        graph = space.graph(space.sample(rng))
        place = {node: index for index, node in enumerate(graph.nodes)}
        assert len(place) == len(graph.nodes)
        assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
