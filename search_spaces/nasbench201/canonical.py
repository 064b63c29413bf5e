"""Texts that are the same for cells of the same function, or of the same network."""

from __future__ import annotations

from functools import lru_cache

from search_spaces.cells.canonical import cell_text
from search_spaces.nasbench201.form import EDGES, OPERATIONS, Edges
from search_spaces.nasbench201.plan import make_plan

_CELLS: int = len(OPERATIONS) ** len(EDGES)

_ZERO = "#"


@lru_cache(maxsize=_CELLS)
def function_text(edges: Edges) -> str:
    """The expression of the cell's output, as the benchmark writes it.

    A sum is written with its terms sorted, `none` and what follows from it alone as `#`, and a
    skip connection as its input.
    """
    values = ["0", "", "", ""]
    terms: list[list[str]] = [[], [], [], []]
    for word, (source, target) in zip(edges, EDGES, strict=True):
        # The edges into a node stand before the edges out of it.
        if not values[source]:
            values[source] = "+".join(sorted(terms[source]))
        terms[target].append(_term(word, values[source]))
    return "+".join(sorted(terms[3]))


@lru_cache(maxsize=_CELLS)
def network_text(edges: Edges) -> str:
    """The cell as it is built, in which two operations with weights of their own are two."""
    return cell_text(make_plan(edges))


def _term(word: str, value: str) -> str:
    if word == "none" or value == _ZERO:
        return _ZERO
    return value if word == "skip_connect" else f"({value})@{word}"
