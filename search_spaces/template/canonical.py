"""A text for a plan that does not depend on names and order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from search_spaces.fastnas.canonical import Links, Vertex, canonical_text
from search_spaces.template.plan import AggregationStep, OperationStep, Plan, Step


def canonical_key(plan: Plan) -> str:
    """The same text for plans that build the same network."""
    encoder = [Vertex(f"encoder{index}") for index in range(plan.encoder_outputs)]
    steps = [_vertex(step, plan) for step in plan.steps]
    return canonical_text([*encoder, *steps, Vertex("output", _links(plan.collected))])


def _vertex(step: Step, plan: Plan) -> Vertex:
    if isinstance(step, AggregationStep):
        return Vertex(_aggregation_label(step, plan), _links(step.sources))
    return Vertex(_operation_label(step), _links((step.source,)))


def _operation_label(step: OperationStep) -> str:
    strided = " strided" if step.strided else ""
    doubling = " doubling" if step.doubling else ""
    return f"{step.operation.name}{strided}{doubling}"


def _aggregation_label(step: AggregationStep, plan: Plan) -> str:
    strides = [plan.strides[source] for source in step.sources]
    # At one resolution it does not matter which of them is taken.
    if strides[0] == strides[1]:
        return step.aggregation
    finer = plan.strides[step.target] == min(strides)
    return f"{step.aggregation} {'finer' if finer else 'coarser'}"


def _links(values: Iterable[int]) -> Links:
    return tuple(sorted(Counter(values).items()))
