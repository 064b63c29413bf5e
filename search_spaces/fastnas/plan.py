"""What a genotype computes, without the parts that cannot contribute.

Values are numbered before anything is built. A value is a sum of sources with multiplicities: the
cell's input and the outputs of operations. So `skip` is an alias, a sum with `none` is its other
term, and an operation whose output nobody reads is dropped.

Zero propagates through every operation: convolutions have no bias, and behind them the shift of the
batch norm starts at 0, where ReLU returns 0 and passes no gradient. Such an operation would return
0 for ever, so it is dropped as well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from search_spaces.fastnas.form import Form, Pair
from search_spaces.fastnas.vocabulary import OPERATIONS, Operation

Value = tuple[tuple[int, int], ...]
"""Pairs of source and multiplicity, sorted; source 0 is the cell's input, k is step k - 1."""

_ZERO: Value = ()
_INPUT: Value = ((0, 1),)


@dataclass(frozen=True)
class Step:
    """One operation with weights of its own, applied to a value.

    Args:
        name: Where the genotype chose it, for example `node1.op2`.
        operation: What it computes.
        value: Its input.
    """

    name: str
    operation: Operation
    value: Value


@dataclass(frozen=True)
class CellPlan:
    """The steps of a contextual cell, in an order in which they can run, and its output."""

    steps: tuple[Step, ...]
    output: Value

    @property
    def is_zero(self) -> bool:
        """Whether the cell returns zero whatever its input."""
        return self.output == _ZERO


@dataclass(frozen=True)
class DecoderPlan:
    """The cell and the wiring of a decoder.

    Args:
        cell: The cell design that all blocks share.
        encoder_outputs: Number of encoder outputs; block k (from 0) has position
            `encoder_outputs + k`.
        blocks: The two input positions of every block.
    """

    cell: CellPlan
    encoder_outputs: int
    blocks: tuple[Pair, ...]

    @cached_property
    def used_encoder_outputs(self) -> tuple[int, ...]:
        """Indices of the encoder outputs that a block reads."""
        read = {position for pair in self.blocks for position in pair}
        return tuple(sorted(position for position in read if position < self.encoder_outputs))

    @cached_property
    def collected(self) -> tuple[int, ...]:
        """Positions of the block outputs that no later block reads."""
        read = {position for pair in self.blocks for position in pair}
        positions = range(self.encoder_outputs, self.encoder_outputs + len(self.blocks))
        return tuple(position for position in positions if position not in read)


def make_plan(form: Form, encoder_outputs: int) -> DecoderPlan:
    """Plans the decoder of a genotype."""
    return DecoderPlan(_plan_cell(form), encoder_outputs, form.blocks)


def _plan_cell(form: Form) -> CellPlan:
    steps: list[Step] = []
    pool = [_INPUT]
    pool.append(_apply(steps, "op0", form.first, pool[0]))
    for number, (p1, p2, o1, o2) in enumerate(form.nodes, 1):
        left = _apply(steps, f"node{number}.op1", o1, pool[p1])
        right = _apply(steps, f"node{number}.op2", o2, pool[p2])
        pool += [left, right, _add(left, right)]
    output = _add(*(pool[position] for position in _loose_ends(form)))
    return _without_dead_steps(CellPlan(tuple(steps), output))


def _apply(steps: list[Step], name: str, number: int, value: Value) -> Value:
    operation = OPERATIONS[number]
    if operation.kind == "none" or value == _ZERO:
        return _ZERO
    if operation.kind == "skip":
        return value
    steps.append(Step(name, operation, value))
    return ((len(steps), 1),)


def _add(*values: Value) -> Value:
    total: Counter[int] = Counter()
    for value in values:
        total.update(dict(value))
    return tuple(sorted(total.items()))


def _loose_ends(form: Form) -> list[int]:
    """Positions of op0 and of the sums that no node picks, be it only with `none`."""
    picked = {position for p1, p2, _, _ in form.nodes for position in (p1, p2)}
    collectable = range(1, 3 * len(form.nodes) + 2, 3)
    return [position for position in collectable if position not in picked]


def _without_dead_steps(cell: CellPlan) -> CellPlan:
    alive = {source for source, _ in cell.output}
    for source in range(len(cell.steps), 0, -1):
        if source in alive:
            alive.update(read for read, _ in cell.steps[source - 1].value)
    kept = sorted(alive - {0})
    renumbered = {0: 0} | {source: new for new, source in enumerate(kept, 1)}

    def rename(value: Value) -> Value:
        return tuple((renumbered[source], multiplicity) for source, multiplicity in value)

    old_steps = [cell.steps[source - 1] for source in kept]
    steps = tuple(Step(step.name, step.operation, rename(step.value)) for step in old_steps)
    return CellPlan(steps, rename(cell.output))
