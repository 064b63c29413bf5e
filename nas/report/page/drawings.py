"""Candidates as drawings: where the nodes of their graphs stand."""

from __future__ import annotations

from typing import Any

from nas.errors import UserError
from nas.report.runs import Snapshot
from nas.searching.assembly import make_space
from search_spaces.genotype import GenotypeError
from search_spaces.graph import Graph
from search_spaces.space import SearchSpace


def drawings(run: Snapshot) -> tuple[list[dict[str, Any]], dict[int, int], str | None]:
    """The drawings of every candidate of a run.

    Returns:
        The drawings, each network once; its place among them by the number of the trial; and a
        sentence if nothing could be drawn.
    """
    try:
        space = make_space(run.config)
    except UserError as error:
        return [], {}, f"the candidates are not drawn: {error}"
    found: list[dict[str, Any]] = []
    places: dict[int, int] = {}
    known: dict[str, int] = {}
    for record in run.records:
        if not record.genotype:
            continue
        if record.genotype not in known:
            graph = _graph(space, record.genotype)
            if graph is None:
                continue
            known[record.genotype] = len(found)
            found.append(laid_out(graph))
        places[record.number] = known[record.genotype]
    return found, places, None


def _graph(space: SearchSpace, genotype: str) -> Graph | None:
    try:
        return space.graph(space.parse(genotype))
    except GenotypeError:
        # A space of a user's own may have changed since.
        return None


def laid_out(graph: Graph) -> dict[str, Any]:
    """A graph in layers from left to right, each node in the one after its last predecessor.

    Returns:
        ``nodes``: name, layer and place within the layer, from 0. ``edges``: positions of source
        and target, and the label.
    """
    position = {name: index for index, name in enumerate(graph.nodes)}
    layer = [0] * len(graph.nodes)
    for edge in sorted(graph.edges, key=lambda edge: position[edge.target]):
        source, target = position[edge.source], position[edge.target]
        layer[target] = max(layer[target], layer[source] + 1)
    taken: dict[int, int] = {}
    nodes = []
    for name, depth in zip(graph.nodes, layer, strict=True):
        nodes.append([name, depth, taken.get(depth, 0)])
        taken[depth] = taken.get(depth, 0) + 1
    edges = [[position[e.source], position[e.target], e.label] for e in graph.edges]
    return {"nodes": nodes, "edges": edges}
