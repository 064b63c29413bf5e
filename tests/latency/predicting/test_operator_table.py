from __future__ import annotations

from dataclasses import dataclass

import pytest

from latency.predicting.operator_table import OperatorTable, Sum
from latency.predicting.operator_times import OperatorTime


@dataclass(frozen=True)
class Fake:
    """What a table looks at in an operator."""

    key: str
    kind: str = "conv2d"
    macs: int = 1000
    elements: int = 100


def conv(size: int, channels: int = 8, kernel: int = 3) -> Fake:
    text = (
        f"conv2d(1x{channels}x{size}x{size}, constant {channels}x{channels}x{kernel}x{kernel}, 1)"
    )
    pixels = size * size
    return Fake(text, "conv2d", channels**2 * kernel**2 * pixels, 2 * channels * pixels)


@pytest.fixture
def table() -> OperatorTable:
    made = OperatorTable()
    made.add([conv(16), conv(32)], [OperatorTime(23.0, 1), OperatorTime(83.0, 1)])
    return made


def test_a_network_is_the_sum_of_its_operators(table):
    total = table.sum({conv(16).key: 2, conv(32).key: 3})
    assert total == Sum(milliseconds=(2 * 23 + 3 * 83) / 1000, nodes=5, guessed=0)


def test_only_what_was_not_measured_is_missing_and_only_once(table):
    table.guess([conv(64)])
    assert table.missing([conv(16), conv(64), conv(8), conv(8)]) == [conv(64), conv(8)]


def test_a_guess_is_in_proportion_to_the_work_beyond_what_any_node_takes(table):
    table.guess([conv(64)])
    # Four times the 80 microseconds of the half size, and 3.
    entry = table[conv(64).key]
    assert (entry.kind, entry.macs, entry.elements) == ("conv2d", 64 * 9 * 4096, 65536)
    assert entry.microseconds == pytest.approx(323.0, rel=1e-3)
    assert (entry.nodes, entry.measured) == (1, False)
    assert table.sum({conv(64).key: 1, conv(16).key: 1}).guessed == pytest.approx(0.323, rel=1e-3)


def test_a_guess_prefers_the_same_functions_over_the_same_work(table):
    table.add([Fake("mul(1x8x64x64)", "mul", 0, 65536)], [OperatorTime(5.0, 1)])
    table.guess([conv(64)])
    assert table[conv(64).key].microseconds == pytest.approx(323.0, rel=1e-3)


def test_an_empty_table_guesses_a_node_without_work():
    empty = OperatorTable()
    empty.guess([conv(16)])
    assert (empty[conv(16).key].microseconds, empty[conv(16).key].nodes) == (3.0, 1)


def test_what_is_measured_later_replaces_a_guess(table):
    table.guess([conv(64)])
    table.add([conv(64)], [OperatorTime(300.0, 1)])
    assert table[conv(64).key].measured
    assert table.missing([conv(64)]) == []


def test_a_record_is_read_back(table):
    table.guess([conv(64)])
    read = OperatorTable.from_dict(table.to_dict())
    assert read.to_dict() == table.to_dict()
    assert len(read) == 3


def test_a_table_takes_over_another(table):
    other = OperatorTable()
    other.add([conv(16)], [OperatorTime(30.0, 1)])
    table.update(other)
    assert (table[conv(16).key].microseconds, len(table)) == (30.0, 2)
