"""Checks of what a user gives for a genotype or a size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.decision import Decision
from search_spaces.genotype import GenotypeError
from search_spaces.space import SpaceError


def check_whole(name: str, value: Any, least: int = 1, multiple_of: int = 1) -> None:
    """Refuses what is not a whole number, or too small, or no such multiple.

    Raises:
        SpaceError: With the name and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpaceError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    if value % multiple_of:
        raise SpaceError(f"{name} must be a multiple of {multiple_of}, not {value}.")


def check_maps(expected: Sequence[int], channels: Sequence[int], strides: Sequence[int]) -> None:
    """Refuses encoder outputs other than those that a decoder is made for.

    Args:
        expected: Strides of the outputs that it takes.
        channels: Channels of those given.
        strides: Strides of those given.

    Raises:
        SpaceError: With what differs.
    """
    if tuple(strides) != tuple(expected):
        raise SpaceError(
            f"encoder_strides must be {', '.join(map(str, expected))} with encoder_outputs="
            f"{len(expected)}, not {', '.join(map(str, strides))}."
        )
    if len(channels) != len(strides):
        raise SpaceError(
            f"encoder_channels needs {len(strides)} numbers, one for each encoder output, "
            f"not {len(channels)}."
        )
    for count in channels:
        check_whole("every number of encoder_channels", count)


def check_option(name: str, value: Any, known: Sequence[str]) -> None:
    """Refuses what is not one of the known words.

    Raises:
        SpaceError: With the name and the value.
    """
    if value not in known:
        raise SpaceError(f"{name} must be one of {', '.join(known)}, not {value!r}.")


def read_choices(
    space: str, choices: Mapping[str, int | str], decisions: Sequence[Decision]
) -> dict[str, int | str]:
    """A complete set of choices, in the order of the decisions.

    Raises:
        GenotypeError: If a decision is missing, unknown, or has none of its options.
    """
    unknown = set(choices) - {decision.name for decision in decisions}
    if unknown:
        raise GenotypeError(f"{space} has no decision {min(unknown, key=str)!r}.")
    for decision in decisions:
        if decision.name not in choices:
            raise GenotypeError(f"decision {decision.name!r} is missing.")
        choice = choices[decision.name]
        if not isinstance(choice, (str, int)) or choice not in decision.options:
            known = ", ".join(map(str, decision.options))
            raise GenotypeError(
                f"decision {decision.name!r} has no option {choice!r}, only {known}."
            )
    return {decision.name: choices[decision.name] for decision in decisions}


def read_json(text: str) -> Any:
    """Nested lists from text.

    Raises:
        GenotypeError: If the text is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GenotypeError(f"a genotype is a JSON list, and this is none: {error}.") from error


def read_parts(value: Any, count: int, owner: str, content: str) -> Sequence[Any]:
    """A list of a given number of parts.

    Raises:
        GenotypeError: If it is none, with its owner and what it should hold.
    """
    if not isinstance(value, (list, tuple)):
        raise GenotypeError(f"{owner} must be a list of {content}, not {value!r}.")
    if len(value) != count:
        noun = "part" if count == 1 else "parts"
        raise GenotypeError(f"{owner} needs {count} {noun} ({content}), but has {len(value)}.")
    return value


def read_operation(value: Any, operations: Sequence[str], owner: str) -> str:
    """The name of an operation.

    Raises:
        GenotypeError: If there is no such operation, with its owner.
    """
    if not isinstance(value, str) or value not in operations:
        known = ", ".join(operations)
        raise GenotypeError(f"{owner} has no operation {value!r}, only {known}.")
    return value
