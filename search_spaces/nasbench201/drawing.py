"""A NAS-Bench-201 cell as a graph."""

from __future__ import annotations

from search_spaces.graph import Edge, Graph
from search_spaces.nasbench201.form import EDGES, Edges

_NAMES = ("input", "node1", "node2", "output")


def make_graph(edges: Edges) -> Graph:
    """The four nodes of the cell, each the sum of the edges into it.

    Edges and nodes that cannot contribute to the output are not drawn.
    """
    drawn = [
        (source, target, word)
        for word, (source, target) in zip(edges, EDGES, strict=True)
        if word != "none"
    ]
    while True:
        reached = {0, *(target for _, target, _ in drawn)}
        read = {3, *(source for source, _, _ in drawn)}
        kept = [edge for edge in drawn if edge[0] in reached and edge[1] in read]
        if len(kept) == len(drawn):
            break
        drawn = kept
    nodes = {0, 3, *(node for edge in drawn for node in edge[:2])}
    return Graph(
        tuple(_NAMES[node] for node in sorted(nodes)),
        tuple(Edge(_NAMES[source], _NAMES[target], word) for source, target, word in drawn),
    )
