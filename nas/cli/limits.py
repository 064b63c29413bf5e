"""Limits of costs that are typed on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from latency.costs import unit_of
from nas.errors import UserError

_NUMBER = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµμ]*)")


def limits(largest: Mapping[str, str], others: Iterable[str]) -> dict[str, float]:
    """Values of `SearchConfig.limits` by dotted key, in the unit of each cost.

    Args:
        largest: Texts of the options ``--max-COST``, by cost.
        others: Texts of ``--limit``, each ``COST=VALUE``.

    Raises:
        UserError: If a text is no positive amount of what it limits, or a cost is limited twice.
    """
    found: dict[str, float] = {}
    for cost, text in largest.items():
        _add(found, cost, amount(cost, text, f"--max-{cost}"))
    for pair in others:
        cost, equals, text = (part.strip() for part in pair.partition("="))
        if not (cost and equals and text):
            raise UserError(f"--limit {pair!r}: expected COST=VALUE, for example params=1.5M.")
        _add(found, cost, amount(cost, text, f"--limit {cost}"))
    return {f"limits.{cost}": limit for cost, limit in found.items()}


def amount(cost: str, text: str, option: str) -> float:
    """Reads an amount of a cost.

    Args:
        cost: What it is an amount of.
        text: A number with or without a unit, for example ``5ms`` or ``1.5M``.
        option: Where it was typed, for the message.

    Returns:
        The number in the unit of the cost.

    Raises:
        UserError: If it is none, or not above 0.
    """
    unit = unit_of(cost)
    match = _NUMBER.fullmatch(text.strip())
    number = _float(match[1]) if match else None
    if match is None or number is None or match[2] not in unit.spellings:
        raise UserError(f"{option} {text!r}: expected a number such as {unit.example}.")
    # To the digits that were typed: 0.0008 * 1000 is a little less than 0.8.
    value = float(f"{number * unit.spellings[match[2]]:.12g}")
    if not 0 < value < float("inf"):
        raise UserError(f"{option} {text!r}: a limit must be a number above 0.")
    return value


def _add(found: dict[str, float], cost: str, limit: float) -> None:
    if cost in found:
        raise UserError(f"{cost} is limited twice; give one limit of it.")
    found[cost] = limit


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
