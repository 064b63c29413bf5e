"""Figures as people read them."""

from __future__ import annotations

_UNITS = {"latency": "ms", "memory": "B", "energy": "mJ"}
_MILLISECONDS = "latency_ms"
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def amount(cost: str, value: float) -> str:
    """A cost with its unit, for example "5 ms" or "1.5M"."""
    # Tables name the device behind it.
    unit = "ms" if cost.startswith(_MILLISECONDS) else _UNITS.get(cost, "")
    if unit != "B":
        return f"{quantity(value)} {unit}" if unit else quantity(value)
    for limit, prefix in _PREFIXES:
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}B"
    return f"{value:.3g} B"


def quantity(value: float) -> str:
    """Three figures and a unit prefix, for example 31.2M."""
    for limit, prefix in _PREFIXES:
        if abs(value) >= limit:
            return f"{value / limit:.3g}{prefix}"
    return f"{value:.3g}"
