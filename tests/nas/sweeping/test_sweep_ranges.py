from __future__ import annotations

import pytest

from nas.errors import UserError
from nas.sweeping.ranges import sweep_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1:0.9:0.1", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
        ("1:10:4", (1, 5, 9)),
        ("3:1:-1", (3, 2, 1)),
        ("1e-3:2e-3:5e-4", (0.001, 0.0015, 0.002)),
        ("[adamw, sgd]", ("adamw", "sgd")),
        ("[1, 2.5, null]", (1, 2.5, None)),
    ],
)
def test_ranges_hold_their_ends_and_lists_are_yaml(text, values) -> None:
    found = sweep_values("some.key", text)
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


def test_values_of_python_are_taken_as_they_are() -> None:
    assert sweep_values("some.key", [0.5, 1]) == (0.5, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0.5", "neither a range such as"),
        ("1:2:-1", "steps of -1 do not lead from 1 to 2"),
        ("1:2:0", "steps of 0"),
        ("0:1:1e-9", "widen the step"),
        ("[1, 2, 1]", "the value 1 is given twice"),
        ("[]", "there is no value"),
        ("[1, 2", "is not YAML"),
        ([object()], "not Python objects"),
    ],
)
def test_what_is_no_list_of_values_is_refused(given, message) -> None:
    with pytest.raises(UserError, match=message):
        sweep_values("some.key", given)
