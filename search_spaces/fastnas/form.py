"""The forms of a genotype: nested lists, and choices by decision name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from search_spaces.decision import Decision
from search_spaces.fastnas.sizes import Sizes
from search_spaces.fastnas.vocabulary import OPERATIONS
from search_spaces.genotype import GenotypeError, Nested
from search_spaces.positions import renumbered

Node = tuple[int, int, int, int]
Pair = tuple[int, int]


class Form(NamedTuple):
    """The nested form `[[op0, [p1, p2, o1, o2], ...], [[i, j], ...]]`, checked.

    Attributes:
        first: Number of the operation op0.
        nodes: Positions and operation numbers of the further cell layers.
        blocks: The two inputs of every decoder block.
    """

    first: int
    nodes: tuple[Node, ...]
    blocks: tuple[Pair, ...]

    @property
    def nested(self) -> tuple[Any, ...]:
        """The nested tuples that a `Genotype` holds."""
        return ((self.first, *self.nodes), self.blocks)


def positions_before(node: int) -> int:
    """Number of pool entries that node 1, 2, ... may pick: 2, 5, 8, ..."""
    return 3 * node - 1


def make_decisions(sizes: Sizes) -> tuple[Decision, ...]:
    """The decisions of a space, in the order of the nested form."""
    operations = tuple(operation.name for operation in OPERATIONS)
    decisions = [Decision("cell.op0", operations)]
    for node in range(1, sizes.nodes + 1):
        positions = tuple(range(positions_before(node)))
        decisions += [Decision(f"cell.node{node}.input{k}", positions) for k in (1, 2)]
        decisions += [Decision(f"cell.node{node}.op{k}", operations) for k in (1, 2)]
    for block in range(1, sizes.cells + 1):
        inputs = tuple(range(sizes.encoder_outputs + block - 1))
        decisions += [Decision(f"decoder.block{block}.input{k}", inputs) for k in (1, 2)]
    return tuple(decisions)


def from_choices(
    choices: Mapping[str, int | str], decisions: Sequence[Decision], sizes: Sizes
) -> Form:
    """Reads a complete set of choices.

    Raises:
        GenotypeError: If a decision is missing, unknown, or has none of its options.
    """
    unknown = set(choices) - {decision.name for decision in decisions}
    if unknown:
        raise GenotypeError(f"fastnas has no decision {min(unknown, key=str)!r}.")
    numbers = iter([_chosen_number(decision, choices) for decision in decisions])
    return Form(
        next(numbers),
        tuple(_take_node(numbers) for _ in range(sizes.nodes)),
        tuple((next(numbers), next(numbers)) for _ in range(sizes.cells)),
    )


def to_choices(form: Form, decisions: Sequence[Decision]) -> dict[str, int | str]:
    """The inverse of `from_choices`."""
    numbers = [form.first]
    for part in (*form.nodes, *form.blocks):
        numbers += part
    return {
        decision.name: decision.options[number]
        for decision, number in zip(decisions, numbers, strict=True)
    }


def parse(value: Nested | Sequence[Any], sizes: Sizes) -> Form:
    """Reads the nested form from JSON text or from nested lists or tuples.

    Raises:
        GenotypeError: If a part is missing, left over or out of range; the message says which.
    """
    if isinstance(value, str):
        value = _read_json(value)
    cell, blocks = _parts(value, 2, "a genotype", "a cell and decoder blocks")
    first, *nodes = _parts(cell, sizes.branches, "the cell", f"op0 and {sizes.nodes} nodes")
    blocks = _parts(blocks, sizes.cells, "the decoder", f"{sizes.cells} blocks")
    return Form(
        _number(first, len(OPERATIONS), "the cell", "operation"),
        tuple(_parse_node(node, number) for number, node in enumerate(nodes, 1)),
        tuple(
            _parse_block(block, number, sizes.encoder_outputs)
            for number, block in enumerate(blocks, 1)
        ),
    )


def on_fewer_outputs(form: Form, outputs: int, fewer: int) -> Form:
    """The form on the first of the encoder outputs; the last of them stands for those behind it."""
    blocks = [tuple(renumbered(p, outputs, fewer) for p in pair) for pair in form.blocks]
    return form._replace(blocks=tuple((first, second) for first, second in blocks))


def _chosen_number(decision: Decision, choices: Mapping[str, int | str]) -> int:
    if decision.name not in choices:
        raise GenotypeError(f"decision {decision.name!r} is missing.")
    choice = choices[decision.name]
    for number, option in enumerate(decision.options):
        if choice == option and type(choice) is type(option):
            return number
    options = ", ".join(str(option) for option in decision.options)
    raise GenotypeError(f"decision {decision.name!r} has no option {choice!r}, only {options}.")


def _take_node(numbers: Iterator[int]) -> Node:
    return next(numbers), next(numbers), next(numbers), next(numbers)


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GenotypeError(f"a genotype is a JSON list, and this is none: {error}.") from error


def _parts(value: Any, count: int, owner: str, content: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise GenotypeError(f"{owner} must be a list of {content}, not {value!r}.")
    if len(value) != count:
        noun = "part" if count == 1 else "parts"
        raise GenotypeError(f"{owner} needs {count} {noun} ({content}), but has {len(value)}.")
    return value


def _parse_node(value: Any, node: int) -> Node:
    owner = f"node {node}"
    p1, p2, o1, o2 = _parts(value, 4, owner, "two positions and two operations")
    positions = positions_before(node)
    return (
        _number(p1, positions, owner, "position"),
        _number(p2, positions, owner, "position"),
        _number(o1, len(OPERATIONS), owner, "operation"),
        _number(o2, len(OPERATIONS), owner, "operation"),
    )


def _parse_block(value: Any, block: int, encoder_outputs: int) -> Pair:
    owner = f"block {block}"
    i, j = _parts(value, 2, owner, "two inputs")
    inputs = encoder_outputs + block - 1
    return _number(i, inputs, owner, "input"), _number(j, inputs, owner, "input")


def _number(value: Any, count: int, owner: str, noun: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GenotypeError(f"{owner} needs the number of its {noun}, not {value!r}.")
    if not 0 <= value < count:
        exist = f"{noun} 0 exists" if count == 1 else f"{noun}s 0 to {count - 1} exist"
        raise GenotypeError(f"{owner} picks {noun} {value}, but only {exist}.")
    return value
