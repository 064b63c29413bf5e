"""What a candidate's graph says about its network."""

from __future__ import annotations

from collections import Counter

from search_spaces.graph import Edge, Graph

Path = tuple[str, ...]


def path_counts(graph: Graph, longest: int = 8, limit: int = 256) -> Counter[Path]:
    """Paths from the inputs to the outputs of a graph, and how often each occurs.

    A path is the name of the input, the labels of its edges, and the name of the output; the
    nodes between are not named, so that candidates which differ in their order have the same
    paths. Left out are paths of more than `longest` edges, which two candidates hardly ever
    share, and the longest of those that lead to a node where these are more than `limit`: a
    chain of blocks with shortcuts has more paths than can be counted.
    """
    arriving, leaving = _edges_by_end(graph)
    found: Counter[Path] = Counter()
    reaching: dict[str, Counter[Path]] = {}
    for node in graph.nodes:
        if node not in arriving:
            reaching[node] = Counter({(node,): 1})
            continue
        here: Counter[Path] = Counter()
        for edge in arriving[node]:
            for path, count in reaching[edge.source].items():
                if len(path) <= longest:
                    here[(*path, edge.label)] += count
        reaching[node] = _shortest(here, limit)
        if node not in leaving:
            found.update({(*path, node): count for path, count in reaching[node].items()})
    return found


def operation_counts(graph: Graph) -> Counter[Path]:
    """Labels of the edges of a graph, and how often each occurs."""
    return Counter((edge.label,) for edge in graph.edges if edge.label)


def _edges_by_end(graph: Graph) -> tuple[dict[str, list[Edge]], set[str]]:
    arriving: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        arriving.setdefault(edge.target, []).append(edge)
    return arriving, {edge.source for edge in graph.edges}


def _shortest(paths: Counter[Path], limit: int) -> Counter[Path]:
    if len(paths) <= limit:
        return paths
    kept = sorted(paths, key=lambda path: (len(path), path))[:limit]
    return Counter({path: paths[path] for path in kept})
