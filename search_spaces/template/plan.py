"""What a genotype computes, step by step.

Values are numbered: the encoder outputs first, then the outputs of the steps. A skip that changes
nothing is an alias of its input, and templates that no layer applies do not appear. Every layer
contributes: what no later layer reads is classified.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from search_spaces.template.form import Form, LayerForm, TemplateForm
from search_spaces.template.sizes import Sizes
from search_spaces.template.vocabulary import AGGREGATIONS, OPERATIONS, Operation


@dataclass(frozen=True)
class OperationStep:
    """An operation with weights of its own, or a skip that doubles the channels.

    Args:
        name: Where the genotype chose it, for example `layer1.repeat2.op1`.
        operation: What it computes.
        source: The value that it reads.
        strided: Whether it halves the map.
        doubling: Whether it doubles the channels.
    """

    name: str
    operation: Operation
    source: int
    strided: bool
    doubling: bool


@dataclass(frozen=True)
class AggregationStep:
    """Two values joined at the resolution of one of them.

    Args:
        name: Where the genotype chose it, for example `layer1.repeat2.sum`.
        aggregation: `sum` or `concatenation`.
        sources: The two values.
        target: The source whose resolution the result has.
    """

    name: str
    aggregation: str
    sources: tuple[int, int]
    target: int


Step = OperationStep | AggregationStep


@dataclass(frozen=True)
class Plan:
    """The steps of a decoder, in an order in which they can run.

    Args:
        encoder_outputs: Number of encoder outputs; step k is value `encoder_outputs + k`.
        steps: The steps.
        strides: Stride of every value, in pixels of the image.
        collected: The values that are classified: outputs of layers that no layer reads.
    """

    encoder_outputs: int
    steps: tuple[Step, ...]
    strides: tuple[int, ...]
    collected: tuple[int, ...]

    @cached_property
    def output(self) -> int:
        """The collected value whose resolution the logits have, the finest."""
        return min(self.collected, key=lambda value: self.strides[value])


def make_plan(form: Form, sizes: Sizes) -> Plan:
    """Plans the decoder of a genotype."""
    planner = _Planner(sizes)
    positions = list(range(sizes.encoder_outputs))
    for index, layer in enumerate(form.layers):
        positions.append(planner.apply(index, layer, form.templates[layer.template], positions))
    read = {position for layer in form.layers for position in (layer.first, layer.second)}
    layers = range(sizes.encoder_outputs, len(positions))
    collected = tuple(positions[position] for position in layers if position not in read)
    return Plan(sizes.encoder_outputs, tuple(planner.steps), tuple(planner.strides), collected)


class _Planner:
    """Takes down steps and the strides of their values."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self.steps: list[Step] = []
        self.strides = list(sizes.encoder_strides)

    def apply(
        self, index: int, layer: LayerForm, template: TemplateForm, positions: list[int]
    ) -> int:
        """Plans layer 0, 1, ... and returns the value of its output."""
        finer = index >= self._sizes.first_half
        older, newer = positions[layer.first], positions[layer.second]
        for repeat in range(layer.further_repeats + 1):
            name = f"layer{index + 1}.repeat{repeat + 1}"
            doubling = layer.halvings == 1 and repeat == 0
            left, right = (
                self._operate(f"{name}.{label}", OPERATIONS[number], source, layer, doubling)
                for label, number, source in (
                    ("op1", template.first, older),
                    ("op2", template.second, newer),
                )
            )
            joined = self._aggregate(name, AGGREGATIONS[template.aggregation], left, right, finer)
            older, newer = newer, joined
        return newer

    def _operate(
        self, name: str, operation: Operation, source: int, layer: LayerForm, doubling: bool
    ) -> int:
        if operation.kind == "skip" and not doubling:
            return source
        strided = layer.halvings == 1 and operation.kind in ("separable", "maximum")
        stride = self.strides[source]
        if strided:
            halvings = self._sizes.separable_repeats if operation.kind == "separable" else 1
            stride *= 2**halvings
        return self._add(OperationStep(name, operation, source, strided, doubling), stride)

    def _aggregate(self, name: str, aggregation: str, left: int, right: int, finer: bool) -> int:
        choose = min if finer else max
        target = choose(left, right, key=lambda value: self.strides[value])
        step = AggregationStep(f"{name}.{aggregation}", aggregation, (left, right), target)
        return self._add(step, self.strides[target])

    def _add(self, step: Step, stride: int) -> int:
        self.steps.append(step)
        self.strides.append(stride)
        return len(self.strides) - 1
