"""A text that is the same for genotypes that build the same network."""

from __future__ import annotations

from functools import lru_cache

from search_spaces.cells.canonical import cell_text
from search_spaces.darts.plan import NetworkPlan

_text_of_cell = lru_cache(maxsize=4096)(cell_text)


def network_text(plan: NetworkPlan) -> str:
    """Every design that is built, after the numbers of the cells that have it."""
    if not plan:
        return "nothing"
    numbers: dict[str, list[str]] = {}
    for position in plan:
        numbers.setdefault(_text_of_cell(position.plan), []).append(str(position.number))
    return " | ".join(f"{','.join(cells)}: {text}" for text, cells in numbers.items())
