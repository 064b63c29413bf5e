"""A text for a planned cell that does not depend on the order of its parts."""

from __future__ import annotations

from search_spaces.cells.plan import CellPlan, Step
from search_spaces.fastnas.canonical import Vertex, canonical_text


def cell_text(plan: CellPlan) -> str:
    """The same text for cells that compute the same with the same weights, and for these only."""
    vertices = [
        *(Vertex(f"input{number}") for number in range(plan.inputs)),
        *(Vertex(_label(step), step.value) for step in plan.steps),
        *(Vertex("output", value) for value in plan.outputs),
    ]
    return canonical_text(vertices)


def _label(step: Step) -> str:
    return step.operation if step.stride == 1 else f"{step.operation}/{step.stride}"
