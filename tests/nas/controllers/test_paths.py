from __future__ import annotations

import itertools

from nas.controllers.paths import operation_counts, path_counts
from search_spaces.graph import Edge, Graph


def graph(*edges: tuple[str, str, str]) -> Graph:
    nodes = dict.fromkeys(node for source, target, _ in edges for node in (source, target))
    return Graph(tuple(sorted(nodes)), tuple(Edge(*edge) for edge in edges))


def test_paths_are_labels_between_named_ends() -> None:
    counts = path_counts(graph(("a", "b", "conv"), ("b", "c", "pool"), ("a", "c", "skip")))
    assert counts == {("a", "conv", "pool", "c"): 1, ("a", "skip", "c"): 1}


def test_nodes_between_are_not_named() -> None:
    one = graph(("a", "b", "conv"), ("b", "d", "pool"), ("a", "c", "skip"), ("c", "d", "conv"))
    other = graph(("a", "c", "conv"), ("c", "d", "pool"), ("a", "b", "skip"), ("b", "d", "conv"))
    assert path_counts(one) == path_counts(other)


def test_equal_paths_are_counted() -> None:
    counts = path_counts(
        graph(("a", "b", "x"), ("a", "b", "x"), ("b", "d", "y"), ("a", "c", "x"), ("c", "d", "y"))
    )
    assert counts == {("a", "x", "y", "d"): 3}


def test_every_end_is_an_end() -> None:
    counts = path_counts(graph(("a", "c", "x"), ("b", "c", "y"), ("b", "d", "z")))
    assert set(counts) == {("a", "x", "c"), ("b", "y", "c"), ("b", "z", "d")}


def test_graph_without_edges_has_no_paths() -> None:
    assert not path_counts(Graph(("a", "b"), ()))
    assert not operation_counts(Graph(("a", "b"), ()))


def test_long_paths_are_left_out() -> None:
    chain = [(f"n{place}", f"n{place + 1}", "x") for place in range(4)]
    whole = graph(*chain, ("n0", "n4", "y"))
    assert set(path_counts(whole, longest=4)) == {("n0", *"xxxx", "n4"), ("n0", "y", "n4")}
    assert set(path_counts(whole, longest=3)) == {("n0", "y", "n4")}


def test_shortest_paths_to_a_node_are_kept() -> None:
    crossing = graph(("a", "b", "x"), ("b", "c", "x"), ("a", "c", "z"), ("a", "c", "y"))
    assert set(path_counts(crossing, limit=2)) == {("a", "y", "c"), ("a", "z", "c")}


def test_chain_with_shortcuts_is_counted_in_no_time() -> None:
    places = [f"n{place:02}" for place in range(60)]
    edges = [(a, b, label) for a, b in itertools.pairwise(places) for label in "xy"]
    assert not path_counts(graph(*edges))


def test_operations_are_counted_by_label() -> None:
    counts = operation_counts(graph(("a", "b", "x"), ("b", "c", "x"), ("a", "c", "")))
    assert counts == {("x",): 2}
