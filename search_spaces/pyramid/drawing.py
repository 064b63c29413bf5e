"""A pyramid candidate as a graph."""

from __future__ import annotations

from itertools import pairwise

from search_spaces.graph import Edge, Graph
from search_spaces.pyramid.plan import NONE, Level, Plan

HEAD, LOGITS = "head", "logits"


def make_graph(plan: Plan) -> Graph:
    """Where levels start, the levels, and the head.

    What is added to the map of a level stands on the arrow that leaves the level; what all
    candidates have, such as the projections of encoder outputs, is not told.
    """
    finest_first = plan.levels
    coarsest_first = finest_first[::-1]
    edges = [
        Edge(_start(finer), _start(coarser), "stride 2")
        for finer, coarser in pairwise(finest_first)
        if coarser.source is None
    ]
    edges += [Edge(_start(level), _level(level)) for level in coarsest_first]
    for coarser, finer in pairwise(coarsest_first):
        edges.append(Edge(_level(coarser), _level(finer), _added(coarser)))
    edges.append(Edge(_level(finest_first[0]), HEAD, _added(finest_first[0])))
    edges.append(Edge(HEAD, LOGITS, "" if plan.head == NONE else plan.head))
    # The coarsest encoder output first, as the path begins there.
    encoder = [_start(level) for level in coarsest_first if level.source is not None]
    further = [_start(level) for level in finest_first if level.source is None]
    levels = map(_level, coarsest_first)
    return Graph((*encoder, *further, *levels, HEAD, LOGITS), tuple(edges))


def _start(level: Level) -> str:
    if level.source is None:
        return f"further[{level.stride}]"
    return f"encoder[{level.source}]"


def _level(level: Level) -> str:
    return f"stride{level.stride}"


def _added(level: Level) -> str:
    return "" if level.operation == NONE else f"+ {level.operation}"
