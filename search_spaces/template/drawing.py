"""A template candidate as a graph of what is built."""

from __future__ import annotations

from search_spaces.graph import Edge, Graph
from search_spaces.template.plan import AggregationStep, OperationStep, Plan

OUTPUT = "decoder.output"


def make_graph(plan: Plan) -> Graph:
    """Encoder outputs that are read, aggregations and the output.

    An arrow into an aggregation is labelled with the operation on it, and with its stride if that
    is 2.
    """
    names = [f"encoder[{index}]" for index in range(plan.encoder_outputs)]
    names += [step.name for step in plan.steps]
    edges = []
    for step in plan.steps:
        if isinstance(step, AggregationStep):
            edges += [_arrow(source, step.name, plan, names) for source in step.sources]
    edges += [Edge(names[value], OUTPUT) for value in plan.collected]
    drawn = {edge.source for edge in edges} | {edge.target for edge in edges}
    return Graph((*(name for name in names if name in drawn), OUTPUT), tuple(edges))


def _arrow(source: int, target: str, plan: Plan, names: list[str]) -> Edge:
    step = None if source < plan.encoder_outputs else plan.steps[source - plan.encoder_outputs]
    if not isinstance(step, OperationStep):
        return Edge(names[source], target, "skip")
    stride = ", stride 2" if step.strided else ""
    return Edge(names[step.source], target, f"{step.operation.name}{stride}")
