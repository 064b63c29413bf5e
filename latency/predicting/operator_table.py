"""How long every operator takes on one device."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from latency.predicting.operator_times import OperatorTime
from latency.tracing.operators import Operator

_SHAPE = re.compile(r"\d+(x\d+)+")
_OTHER_FORM = 1.0
_OTHER_KIND = 4.0
_OVERHEAD = 3.0
"""Microseconds that any node takes, about."""


@dataclass(frozen=True)
class Entry:
    """What is known of an operator.

    Attributes:
        kind: Names of its functions.
        macs: Its multiply-accumulates.
        elements: Numbers that it reads or writes.
        microseconds: Time of its nodes.
        nodes: Number of nodes that the runtime makes of it.
        measured: Whether the time was measured; otherwise it is a guess from similar operators.
    """

    kind: str
    macs: int
    elements: int
    microseconds: float
    nodes: int
    measured: bool = True


@dataclass(frozen=True)
class Sum:
    """What the operators of a network take together.

    Attributes:
        milliseconds: Time of their nodes.
        nodes: Number of nodes.
        guessed: Milliseconds of operators that were not measured.
    """

    milliseconds: float
    nodes: int
    guessed: float


class OperatorTable:
    """Operators by key.

    Args:
        entries: What is known.
    """

    def __init__(self, entries: Mapping[str, Entry] | None = None) -> None:
        self._entries = dict(entries or {})

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def missing(self, operators: Iterable[Operator]) -> list[Operator]:
        """Those that were not measured, each once."""
        return list({o.key: o for o in operators if not self._is_measured(o.key)}.values())

    def add(self, operators: Sequence[Operator], times: Sequence[OperatorTime]) -> None:
        """Adds operators that were measured."""
        for operator, time in zip(operators, times, strict=True):
            self._entries[operator.key] = Entry(
                operator.kind, operator.macs, operator.elements, time.microseconds, time.nodes
            )
        self.__dict__.pop("_measured", None)

    def update(self, other: OperatorTable) -> None:
        """Takes over what another table holds."""
        self._entries.update(other._entries)
        self.__dict__.pop("_measured", None)

    def guess(self, operators: Iterable[Operator]) -> None:
        """Adds a guess for those that are not there."""
        for operator in operators:
            if operator.key not in self._entries:
                self._entries[operator.key] = self._guessed(operator)

    def sum(self, counts: Mapping[str, int]) -> Sum:
        """Sums over a network, of which every operator is there.

        Args:
            counts: How often the network has each operator, by key.
        """
        pairs = [(self._entries[key], count) for key, count in counts.items()]
        guesses = (count * entry.microseconds for entry, count in pairs if not entry.measured)
        return Sum(
            milliseconds=sum(count * entry.microseconds for entry, count in pairs) / 1000,
            nodes=sum(count * entry.nodes for entry, count in pairs),
            guessed=sum(guesses) / 1000,
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable record; `from_dict` reads it back."""
        return {key: asdict(entry) for key, entry in self._entries.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> OperatorTable:
        """Reads what `to_dict` wrote."""
        return cls({key: Entry(**entry) for key, entry in record.items()})

    def _is_measured(self, key: str) -> bool:
        return key in self._entries and self._entries[key].measured

    @cached_property
    def _measured(self) -> list[tuple[str, Entry]]:
        return [
            (_form(key), entry)
            for key, entry in self._entries.items()
            if entry.measured and entry.nodes
        ]

    def _guessed(self, operator: Operator) -> Entry:
        """The time of the most similar operator, in proportion to the work."""
        form = _form(operator.key)
        similar = min(
            self._measured, key=lambda item: _distance(operator, form, *item), default=None
        )
        microseconds, nodes = _OVERHEAD, 1
        if similar is not None:
            entry = similar[1]
            beyond = max(entry.microseconds - _OVERHEAD, _OVERHEAD / 2)
            microseconds, nodes = _OVERHEAD + beyond * _work_ratio(operator, entry), entry.nodes
        return Entry(
            operator.kind, operator.macs, operator.elements, microseconds, nodes, measured=False
        )


def _form(key: str) -> str:
    """The functions and attributes of an operator, without its shapes."""
    return _SHAPE.sub("*", key)


def _distance(operator: Operator, form: str, other_form: str, other: Entry) -> float:
    return (
        abs(math.log((operator.macs + 1) / (other.macs + 1)))
        + abs(math.log((operator.elements + 1) / (other.elements + 1)))
        + (_OTHER_FORM if form != other_form else 0)
        + (_OTHER_KIND if operator.kind != other.kind else 0)
    )


def _work_ratio(operator: Operator, other: Entry) -> float:
    elements = (operator.elements + 1) / (other.elements + 1)
    if not operator.macs or not other.macs:
        return elements
    return math.sqrt(elements * operator.macs / other.macs)
