"""A candidate as a graph, for drawing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another, labelled with the operation on it."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order and the edges between them."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
