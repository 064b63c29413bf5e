"""The forms of a genotype: nested lists, the published text, and choices by decision name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.cells.reading import read_choices, read_json, read_operation, read_parts
from search_spaces.decision import Decision
from search_spaces.genotype import GenotypeError, Nested

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the order of the published code, from which published indices count."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and target of every edge, in the order of the published text."""

DECISIONS = tuple(Decision(f"edge{source}_{target}", OPERATIONS) for source, target in EDGES)

Edges = tuple[str, ...]
"""The operation of every edge, in the order of `EDGES`."""

_NODES = (1, 2, 3)


def from_choices(choices: Mapping[str, int | str]) -> Edges:
    """Reads a complete set of choices.

    Raises:
        GenotypeError: If a decision is missing, unknown, or has none of its options.
    """
    return tuple(str(word) for word in read_choices("nasbench201", choices, DECISIONS).values())


def to_choices(edges: Edges) -> dict[str, int | str]:
    """The inverse of `from_choices`."""
    return {decision.name: word for decision, word in zip(DECISIONS, edges, strict=True)}


def to_nested(edges: Edges) -> Nested:
    """The operations by target node, `((0->1), (0->2, 1->2), (0->3, 1->3, 2->3))`."""
    return edges[:1], edges[1:3], edges[3:]


def to_text(edges: Edges) -> str:
    """The published text, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
    first, *others = [f"{word}~{source}|" for word, (source, _) in zip(edges, EDGES, strict=True)]
    return f"|{first}+|{''.join(others[:2])}+|{''.join(others[2:])}"


def parse(value: Nested | Sequence[Any]) -> Edges:
    """Reads the nested form, as JSON text or as lists, or the published text.

    Raises:
        GenotypeError: If a part is missing, left over or unknown; the message says which.
    """
    if isinstance(value, str) and value.strip().startswith("|"):
        return _read_text(value.strip())
    if isinstance(value, str):
        value = read_json(value)
    nodes = read_parts(value, 3, "a genotype", "the edges into nodes 1 to 3")
    return tuple(
        read_operation(word, OPERATIONS, f"edge {source}->{node}")
        for node, words in zip(_NODES, nodes, strict=True)
        for source, word in enumerate(_edges_into(words, node))
    )


def _edges_into(words: Any, node: int) -> Sequence[Any]:
    content = "one operation" if node == 1 else "one operation for each earlier node"
    return read_parts(words, node, f"node {node}", content)


def _read_text(text: str) -> Edges:
    nodes = read_parts(text.split("+"), 3, "a genotype", "the edges into nodes 1 to 3")
    return tuple(
        _read_edge(part, source, node)
        for node, part in zip(_NODES, nodes, strict=True)
        for source, part in enumerate(_edges_into(_between_bars(part, node), node))
    )


def _between_bars(text: str, node: int) -> list[str]:
    if len(text) < 2 or text[0] != "|" or text[-1] != "|":
        raise GenotypeError(f"node {node} must stand between bars, such as |none~0|, not {text!r}.")
    return text[1:-1].split("|")


def _read_edge(text: str, source: int, node: int) -> str:
    word, _, number = text.partition("~")
    if number != str(source):
        raise GenotypeError(f"edge {source}->{node} must end in ~{source}, not be {text!r}.")
    return read_operation(word, OPERATIONS, f"edge {source}->{node}")
