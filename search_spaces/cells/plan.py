"""What a cell computes, without the parts that cannot contribute.

Values are numbered before anything is built. A value is a sum of sources with multiplicities: the
inputs of the cell and the outputs of its operations. So a skip connection is an alias, a sum with
`none` is its other term, and an operation whose output nobody reads is dropped.

An operation on zero is dropped as well: it pools zeros, or gives the shift of its batch norm, which
is the same for every pixel of every image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

NONE = "none"
SKIP = "skip_connect"
POOLS = frozenset({"avg_pool_3x3", "max_pool_3x3"})

Value = tuple[tuple[int, int], ...]
"""Pairs of source and multiplicity, sorted; the inputs come first, then the steps."""

ZERO: Value = ()


@dataclass(frozen=True)
class Step:
    """One operation, applied to a value.

    Args:
        name: Where the genotype chose it.
        operation: Name of what it computes.
        stride: 1, or 2 where it halves the map.
        value: Its input.
    """

    name: str
    operation: str
    stride: int
    value: Value


@dataclass(frozen=True)
class CellPlan:
    """The steps of a cell, in an order in which they can run.

    Args:
        inputs: Number of inputs of the cell: sources 0 to `inputs - 1`.
        steps: Step k is source `inputs + k`.
        outputs: What the cell returns; none of it is zero.
    """

    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]

    @cached_property
    def used_inputs(self) -> tuple[int, ...]:
        """Numbers of the inputs that something reads."""
        values = (*(step.value for step in self.steps), *self.outputs)
        read = {source for value in values for source, _ in value}
        return tuple(sorted(source for source in read if source < self.inputs))


class Planner:
    """Plans a cell operation by operation.

    Args:
        inputs: Number of inputs of the cell.
    """

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._steps: list[Step] = []
        self._pooled: dict[tuple[str, int, Value], Value] = {}

    def input(self, number: int) -> Value:
        """The value of an input of the cell."""
        return ((number, 1),)

    def apply(self, name: str, operation: str, value: Value, stride: int = 1) -> Value:
        """The value of an operation's output."""
        if operation == NONE or value == ZERO:
            return ZERO
        if operation == SKIP and stride == 1:
            return value
        if operation not in POOLS:
            return self._append(Step(name, operation, stride, value))
        # Without weights, the same operation on the same value is the same value.
        key = (operation, stride, value)
        if key not in self._pooled:
            self._pooled[key] = self._append(Step(name, operation, stride, value))
        return self._pooled[key]

    def plan(self, outputs: Sequence[Value]) -> CellPlan:
        """The cell that returns these values, without those that are zero."""
        returned = tuple(value for value in outputs if value != ZERO)
        alive = {source for value in returned for source, _ in value}
        for number, step in reversed(tuple(enumerate(self._steps, self._inputs))):
            if number in alive:
                alive.update(source for source, _ in step.value)
        kept = sorted(source for source in alive if source >= self._inputs)
        names = {number: number for number in range(self._inputs)}
        names |= {source: number for number, source in enumerate(kept, self._inputs)}
        steps = [self._steps[source - self._inputs] for source in kept]
        return CellPlan(
            self._inputs,
            tuple(Step(s.name, s.operation, s.stride, _renamed(s.value, names)) for s in steps),
            tuple(_renamed(value, names) for value in returned),
        )

    def _append(self, step: Step) -> Value:
        self._steps.append(step)
        return self.input(self._inputs + len(self._steps) - 1)


def add(*values: Value) -> Value:
    """The sum of values."""
    total: Counter[int] = Counter()
    for value in values:
        total.update(dict(value))
    return tuple(sorted(total.items()))


def _renamed(value: Value, names: dict[int, int]) -> Value:
    return tuple(sorted((names[source], multiplicity) for source, multiplicity in value))
