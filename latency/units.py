"""Units of costs: how amounts are written for people, and how people write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Unit:
    """What a cost is a number of.

    Attributes:
        name: In headings, for example "bytes"; empty for what is simply counted.
        symbol: After a number, for example "B".
        prefixed: Whether the symbol takes prefixes such as M; "ms" has one already.
        spellings: What may follow a number that is typed, and how many units it stands for; an
            empty text is a bare number.
        example: What is typed, for messages.
    """

    name: str
    symbol: str
    prefixed: bool
    spellings: Mapping[str, float]
    example: str

    def __str__(self) -> str:
        return self.name

    def write(self, value: float) -> str:
        """Three figures and the unit, for example "1.5 M", "31.2 MB" or "5 ms"."""
        size, prefix = next(((s, p) for s, p in _PREFIXES if abs(value) >= s), (1.0, ""))
        number = f"{value / size:.3g}"
        if self.prefixed:
            # Thousands of bytes are kB, thousands of parameters K.
            unit = f"{prefix}{self.symbol}" if self.symbol else prefix.upper()
            return f"{number} {unit}".rstrip()
        return f"{number}{prefix} {self.symbol}"


COUNT = Unit(
    name="",
    symbol="",
    prefixed=True,
    spellings={"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9},
    example="1500000, 1.5M or 2G",
)
MILLISECONDS = Unit(
    name="ms",
    symbol="ms",
    prefixed=False,
    # Both signs for micro: one is a letter, the other a symbol.
    spellings={"": 1, "ms": 1, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "s": 1e3},
    example="5, 5ms, 800us or 0.01s",
)
BYTES = Unit(
    name="bytes",
    symbol="B",
    prefixed=True,
    spellings={
        **{"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9},
        **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    },
    example="8000000, 8MB or 512KiB",
)
MILLIJOULES = Unit(
    name="mJ",
    symbol="mJ",
    prefixed=False,
    spellings={"": 1, "mJ": 1, "J": 1e3},
    example="20, 20mJ or 0.5J",
)
