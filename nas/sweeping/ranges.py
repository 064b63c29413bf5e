"""The values that a setting takes in a sweep, as they are typed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import yaml

from nas.errors import UserError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*:\s*({_NUMBER})\s*:\s*({_NUMBER})\s*")
_MOST = 1000


def sweep_values(key: str, given: str | Sequence[Any]) -> tuple[Any, ...]:
    """The values of a setting.

    Args:
        key: The setting, for the message.
        given: A range ``first:last:step``, which holds its ends, a YAML list, or the values
            themselves.

    Raises:
        UserError: If it is neither, is empty, or lists a value twice.

    Example:
        >>> sweep_values("distill.weight", "0.1:0.3:0.1")
        (0.1, 0.2, 0.3)
    """
    values = _read(key, given) if isinstance(given, str) else tuple(given)
    if not values:
        raise UserError(f"sweep of {key}: there is no value; give a list or a range a:b:step.")
    try:
        texts = [json.dumps(value, sort_keys=True) for value in values]
    except TypeError as error:
        raise UserError(
            f"sweep of {key}: values are what YAML can write, not Python objects."
        ) from error
    repeated = next((text for text in texts if texts.count(text) > 1), None)
    if repeated is not None:
        raise UserError(f"sweep of {key}: the value {repeated} is given twice.")
    return values


def _read(key: str, text: str) -> tuple[Any, ...]:
    # Before YAML, which reads 1:10:1 as a time of day.
    match = _RANGE.fullmatch(text)
    if match:
        return _range(key, *map(Decimal, match.groups()))
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"sweep of {key}: {text!r} is not YAML.") from error
    if not isinstance(values, list):
        raise UserError(
            f"sweep of {key}: {text!r} is neither a range such as 0.1:0.9:0.1 nor a list such as "
            "[1, 3, 10]."
        )
    return tuple(values)


def _range(key: str, first: Decimal, last: Decimal, step: Decimal) -> tuple[Any, ...]:
    if step == 0 or (last - first) / step < 0:
        raise UserError(f"sweep of {key}: steps of {step} do not lead from {first} to {last}.")
    count = int((last - first) / step) + 1
    if count > _MOST:
        raise UserError(f"sweep of {key}: {count} values are more than {_MOST}; widen the step.")
    # Decimals, as sums of floats miss the last value.
    values = [first + step * number for number in range(count)]
    whole = all(part == part.to_integral_value() for part in (first, step))
    return tuple(int(value) if whole else float(value) for value in values)
