"""The two cells of a DARTS candidate as a graph."""

from __future__ import annotations

from search_spaces.cells.plan import NONE
from search_spaces.darts.form import CELLS, Cell, Form
from search_spaces.graph import Edge, Graph


def make_graph(form: Form) -> Graph:
    """The normal and the reduction cell, side by side.

    A node is the sum of the arrows into it, and the output of a cell concatenates its nodes.
    Inputs are called `k-2` and `k-1` after the cells that they come from. Zeros are not drawn.
    """
    normal, reduction = (_cell_graph(cell, name) for name, cell in zip(CELLS, form, strict=True))
    return Graph(normal.nodes + reduction.nodes, normal.edges + reduction.edges)


def _cell_graph(cell: Cell, name: str) -> Graph:
    names = {0: f"{name}.k-2", 1: f"{name}.k-1"}
    edges: list[Edge] = []
    for number, node in enumerate(cell, 2):
        drawn = [(word, source) for word, source in node if word != NONE and source in names]
        if drawn:
            names[number] = f"{name}.node{number - 1}"
            edges += [Edge(names[source], names[number], word) for word, source in drawn]
    output = f"{name}.output"
    edges += [Edge(node, output) for number, node in names.items() if number > 1]
    return Graph((*names.values(), output), tuple(edges))
