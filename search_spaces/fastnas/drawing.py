"""A FastNAS candidate as a graph of what is built."""

from __future__ import annotations

from search_spaces.fastnas.plan import CellPlan, DecoderPlan
from search_spaces.graph import Edge, Graph


def make_graph(plan: DecoderPlan) -> Graph:
    """The contextual cell and the decoder, side by side.

    An arrow into a step of the cell is labelled with the step's operation; several arrows into one
    node are summed. Dropped operations and unread encoder outputs are not drawn.
    """
    cell = _cell_graph(plan.cell)
    decoder = _decoder_graph(plan)
    return Graph(cell.nodes + decoder.nodes, cell.edges + decoder.edges)


def _cell_graph(cell: CellPlan) -> Graph:
    names = ["cell.input", *(f"cell.{step.name}" for step in cell.steps)]
    edges = []
    for target, step in zip(names[1:], cell.steps, strict=True):
        for source, multiplicity in step.value:
            label = _with_multiplicity(step.operation.name, multiplicity)
            edges.append(Edge(names[source], target, label))
    for source, multiplicity in cell.output:
        edges.append(Edge(names[source], "cell.output", _with_multiplicity("", multiplicity)))
    return Graph((*names, "cell.output"), tuple(edges))


def _decoder_graph(plan: DecoderPlan) -> Graph:
    blocks = [f"decoder.block{number}" for number in range(1, len(plan.blocks) + 1)]
    names = [*(f"encoder[{index}]" for index in range(plan.encoder_outputs)), *blocks]
    edges = [
        Edge(names[position], block)
        for block, pair in zip(blocks, plan.blocks, strict=True)
        for position in pair
    ]
    edges += [Edge(names[position], "decoder.output") for position in plan.collected]
    read = [names[index] for index in plan.used_encoder_outputs]
    return Graph((*read, *blocks, "decoder.output"), tuple(edges))


def _with_multiplicity(label: str, multiplicity: int) -> str:
    return label if multiplicity == 1 else f"{label} ×{multiplicity}".strip()
