"""The forms of a genotype: nested lists, and choices by decision name.

A node reads two different earlier nodes, and their order means nothing. So there is one decision
over the unordered pairs, and every set of choices is a candidate: a decision for each input would
allow the same node twice, and give every pair two names. The first node has one pair only, hence no
such decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from search_spaces.cells.reading import read_choices, read_json, read_operation, read_parts
from search_spaces.darts.published import read_published
from search_spaces.decision import Decision
from search_spaces.genotype import GenotypeError, Nested

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""In the order of the published code."""

CELLS = ("normal", "reduction")

Branch = tuple[str, int]
"""An operation and the number of the earlier node that it reads."""

Node = tuple[Branch, Branch]
"""Two branches, the one of the earlier input first."""

Cell = tuple[Node, ...]


class Form(NamedTuple):
    """A checked genotype.

    Attributes:
        normal: Nodes of the cell that keeps the size of its maps.
        reduction: Nodes of the cell that halves it.
    """

    normal: Cell
    reduction: Cell

    @property
    def nested(self) -> Nested:
        """The nested tuples that a `Genotype` holds."""
        return tuple(tuple(branch for node in cell for branch in node) for cell in self)


def make_decisions(nodes: int) -> tuple[Decision, ...]:
    """The decisions of a space whose cells have a number of nodes."""
    decisions = []
    for cell in CELLS:
        for node in range(1, nodes + 1):
            pairs = tuple(f"{i}+{j}" for i, j in combinations(range(node + 1), 2))
            if len(pairs) > 1:
                decisions.append(Decision(f"{cell}.node{node}.inputs", pairs))
            decisions += [Decision(f"{cell}.node{node}.op{k}", OPERATIONS) for k in (1, 2)]
    return tuple(decisions)


def from_choices(
    choices: Mapping[str, int | str], decisions: Sequence[Decision], nodes: int
) -> Form:
    """Reads a complete set of choices.

    Raises:
        GenotypeError: If a decision is missing, unknown, or has none of its options.
    """
    words = iter(str(word) for word in read_choices("darts", choices, decisions).values())
    return Form(_take_cell(words, nodes), _take_cell(words, nodes))


def to_choices(form: Form, decisions: Sequence[Decision]) -> dict[str, int | str]:
    """The inverse of `from_choices`."""
    words: list[str] = []
    for cell in form:
        for number, ((word, i), (other, j)) in enumerate(cell, 1):
            words += [f"{i}+{j}", word, other] if number > 1 else [word, other]
    return {decision.name: word for decision, word in zip(decisions, words, strict=True)}


def parse(value: Nested | Sequence[Any], nodes: int) -> Form:
    """Reads the nested form, as JSON text or as lists, or the published notation.

    Raises:
        GenotypeError: If a part is missing, left over or out of range; the message says which.
    """
    if isinstance(value, str) and value.strip().startswith("Genotype"):
        value = read_published(value.strip(), nodes)
    if isinstance(value, str):
        value = read_json(value)
    cells = read_parts(value, 2, "a genotype", "a normal and a reduction cell")
    normal, reduction = (
        _parse_cell(cell, name, nodes) for name, cell in zip(CELLS, cells, strict=True)
    )
    return Form(normal, reduction)


def _take_cell(words: Iterator[str], nodes: int) -> Cell:
    return tuple(_take_node(words, node) for node in range(1, nodes + 1))


def _take_node(words: Iterator[str], node: int) -> Node:
    i, j = (0, 1) if node == 1 else map(int, next(words).split("+"))
    return (next(words), i), (next(words), j)


def _parse_cell(value: Any, cell: str, nodes: int) -> Cell:
    content = "two operations with their inputs for each node"
    branches = read_parts(value, 2 * nodes, f"the {cell} cell", content)
    return tuple(
        _parse_node(branches[2 * node - 2 : 2 * node], f"{cell} node {node}", node)
        for node in range(1, nodes + 1)
    )


def _parse_node(branches: Sequence[Any], owner: str, node: int) -> Node:
    first, second = sorted(
        (_parse_branch(branch, owner, node) for branch in branches), key=lambda branch: branch[1]
    )
    if first[1] == second[1]:
        raise GenotypeError(f"{owner} reads input {first[1]} twice, but needs two different ones.")
    return first, second


def _parse_branch(value: Any, owner: str, node: int) -> Branch:
    word, number = read_parts(value, 2, f"each half of {owner}", "an operation and an input")
    operation = read_operation(word, OPERATIONS, owner)
    if isinstance(number, bool) or not isinstance(number, int):
        raise GenotypeError(f"{owner} needs the number of its input, not {number!r}.")
    if not 0 <= number <= node:
        raise GenotypeError(f"{owner} reads input {number}, but only inputs 0 to {node} exist.")
    return operation, number
