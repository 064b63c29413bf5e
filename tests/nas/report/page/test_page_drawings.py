from __future__ import annotations

from nas.report.page.drawings import laid_out
from search_spaces.graph import Edge, Graph


def test_a_node_stands_right_of_all_that_it_reads() -> None:
    graph = Graph(("a", "b", "c"), (Edge("a", "b", "conv"), Edge("b", "c"), Edge("a", "c", "skip")))
    found = laid_out(graph)
    assert found["nodes"] == [["a", 0, 0], ["b", 1, 0], ["c", 2, 0]]
    assert found["edges"] == [[0, 1, "conv"], [1, 2, ""], [0, 2, "skip"]]


def test_nodes_of_one_layer_stand_below_each_other() -> None:
    graph = Graph(("a", "b", "c"), (Edge("a", "b"), Edge("a", "c")))
    assert laid_out(graph)["nodes"] == [["a", 0, 0], ["b", 1, 0], ["c", 1, 1]]
