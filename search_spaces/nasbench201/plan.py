"""What a NAS-Bench-201 cell computes."""

from __future__ import annotations

from search_spaces.cells.plan import ZERO, CellPlan, Planner, add
from search_spaces.nasbench201.form import EDGES, Edges


def make_plan(edges: Edges) -> CellPlan:
    """Plans the cell; a cell that always returns zero has no output."""
    planner = Planner(inputs=1)
    nodes = [planner.input(0), ZERO, ZERO, ZERO]
    for word, (source, target) in zip(edges, EDGES, strict=True):
        value = planner.apply(f"edge{source}_{target}", word, nodes[source])
        nodes[target] = add(nodes[target], value)
    return planner.plan(nodes[3:])
