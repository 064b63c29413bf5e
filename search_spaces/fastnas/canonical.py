"""A text for a plan that does not depend on names and order.

Two plans get the same text if and only if one is a renaming of the other: vertices keep their label
and their inputs with multiplicities. Found by colour refinement and individualisation (McKay and
Piperno, Practical graph isomorphism II, https://arxiv.org/abs/1301.1493), with one pruning rule:
of two vertices that lead to the same first leaf, an automorphism exchanges one for the other, and
only one is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search_spaces.fastnas.plan import CellPlan, DecoderPlan

Links = tuple[tuple[int, int], ...]
Colours = list[int]
Certificate = tuple[tuple[str, Links], ...]


@dataclass(frozen=True)
class Vertex:
    """A vertex of a directed graph: its label, and its inputs with multiplicities."""

    label: str
    inputs: Links = ()


def canonical_key(plan: DecoderPlan) -> str:
    """The same text for plans that build the same network."""
    cell = canonical_text(_cell_vertices(plan.cell))
    decoder = canonical_text(_decoder_vertices(plan))
    return f"cell {cell} decoder {decoder}"


def canonical_text(vertices: Sequence[Vertex]) -> str:
    """The same text for isomorphic labelled graphs, and for these only."""
    users: list[list[tuple[int, int]]] = [[] for _ in vertices]
    for number, vertex in enumerate(vertices):
        for source, multiplicity in vertex.inputs:
            users[source].append((number, multiplicity))
    search = _Search(vertices, users)
    colours = search.refine(_ranks([vertex.label for vertex in vertices]))
    return ";".join(_vertex_text(*line) for line in search.smallest(colours))


def _cell_vertices(cell: CellPlan) -> list[Vertex]:
    steps = [Vertex(step.operation.name, step.value) for step in cell.steps]
    return [Vertex("input"), *steps, Vertex("output", cell.output)]


def _decoder_vertices(plan: DecoderPlan) -> list[Vertex]:
    encoder = [Vertex(f"encoder{index}") for index in range(plan.encoder_outputs)]
    blocks = [Vertex("block", ((i, 2),) if i == j else ((i, 1), (j, 1))) for i, j in plan.blocks]
    return [*encoder, *blocks]


@dataclass(frozen=True)
class _Search:
    vertices: Sequence[Vertex]
    users: list[list[tuple[int, int]]]

    def refine(self, colours: Colours) -> Colours:
        """Splits colours until vertices of one colour see the same colours around them."""
        while True:
            refined = _ranks([self._signature(v, colours) for v in range(len(colours))])
            if max(refined) == max(colours):
                return refined
            colours = refined

    def smallest(self, colours: Colours) -> Certificate:
        """The smallest certificate under the refined colours."""
        members = _first_shared_colour(colours)
        if not members:
            return self._certificate(colours)
        found: dict[Certificate, Colours] = {}
        for vertex in members:
            branch = self.refine(_individualise(colours, vertex))
            found.setdefault(self._first_leaf(branch), branch)
        return min(self.smallest(branch) for branch in found.values())

    def _first_leaf(self, colours: Colours) -> Certificate:
        while members := _first_shared_colour(colours):
            colours = self.refine(_individualise(colours, members[0]))
        return self._certificate(colours)

    def _signature(self, vertex: int, colours: Colours) -> tuple[Any, ...]:
        inputs = tuple(sorted((colours[v], m) for v, m in self.vertices[vertex].inputs))
        users = tuple(sorted((colours[v], m) for v, m in self.users[vertex]))
        return colours[vertex], inputs, users

    def _certificate(self, colours: Colours) -> Certificate:
        order = sorted(range(len(colours)), key=colours.__getitem__)
        ordered = [self.vertices[vertex] for vertex in order]
        return tuple(
            (vertex.label, tuple(sorted((colours[v], m) for v, m in vertex.inputs)))
            for vertex in ordered
        )


def _ranks(keys: Sequence[Any]) -> Colours:
    rank = {key: number for number, key in enumerate(sorted(set(keys)))}
    return [rank[key] for key in keys]


def _first_shared_colour(colours: Colours) -> list[int]:
    for colour in sorted(colours):
        if colours.count(colour) > 1:
            return [vertex for vertex, other in enumerate(colours) if other == colour]
    return []


def _individualise(colours: Colours, vertex: int) -> Colours:
    return _ranks([(colour, other != vertex) for other, colour in enumerate(colours)])


def _vertex_text(label: str, inputs: Links) -> str:
    if not inputs:
        return label
    return f"{label}({','.join(str(v) if m == 1 else f'{m}*{v}' for v, m in inputs)})"
