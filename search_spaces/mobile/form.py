"""The forms of a genotype: nested lists, and choices by decision name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from search_spaces.cells.reading import read_choices, read_json, read_parts
from search_spaces.decision import Decision
from search_spaces.genotype import GenotypeError, Nested
from search_spaces.mobile.sizes import Sizes

_FIELDS = ("kernel", "expansion", "depth", "width", "squeeze_excitation")
_CONTENT = "kernel, expansion, depth, width, squeeze_excitation"


class Stage(NamedTuple):
    """What is chosen for a stage; all its blocks share it.

    Attributes:
        kernel: Side of the depthwise kernel.
        expansion: Channels of the depthwise convolution, as a multiple of the block's input.
        depth: Number of blocks.
        width: Channels of the stage's output.
        squeeze_excitation: 1 if its blocks have it, else 0.
    """

    kernel: int
    expansion: int
    depth: int
    width: int
    squeeze_excitation: int


Form = tuple[Stage, ...]
"""The nested form, checked."""


def to_nested(form: Form) -> Nested:
    """The nested tuples that a `Genotype` holds."""
    return tuple(tuple(stage) for stage in form)


def make_decisions(sizes: Sizes) -> tuple[Decision, ...]:
    """The decisions of a space, in the order of the nested form."""
    return tuple(
        Decision(f"stage{stage + 1}.{field}", options)
        for stage in range(sizes.stages)
        for field, options in zip(_FIELDS, _options(sizes, stage), strict=True)
    )


def from_choices(choices: Mapping[str, int | str], sizes: Sizes) -> Form:
    """Reads a complete set of choices.

    Raises:
        GenotypeError: If a decision is missing, unknown, or has none of its options.
    """
    options = iter(read_choices("mobile", choices, make_decisions(sizes)).values())
    return parse([[next(options) for _ in _FIELDS] for _ in range(sizes.stages)], sizes)


def to_choices(form: Form) -> dict[str, int | str]:
    """The inverse of `from_choices`."""
    return {
        f"stage{number}.{field}": value
        for number, stage in enumerate(form, 1)
        for field, value in zip(_FIELDS, stage, strict=True)
    }


def parse(value: Any, sizes: Sizes) -> Form:
    """Reads the nested form from JSON text or from nested lists or tuples.

    Raises:
        GenotypeError: If a part is missing, left over or not offered; the message says which.
    """
    lists = read_json(value) if isinstance(value, str) else value
    stages = read_parts(lists, sizes.stages, "a genotype", f"{sizes.stages} stages")
    return tuple(_parse_stage(stage, number, sizes) for number, stage in enumerate(stages))


def _parse_stage(value: Any, number: int, sizes: Sizes) -> Stage:
    owner = f"stage {number + 1}"
    parts = read_parts(value, len(_FIELDS), owner, _CONTENT)
    fields = zip(_FIELDS, parts, _options(sizes, number), strict=True)
    return Stage(*(_read_value(part, options, owner, field) for field, part, options in fields))


def _read_value(value: Any, options: Sequence[int], owner: str, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in options:
        known = ", ".join(map(str, options))
        raise GenotypeError(f"{owner} has no {field} {value!r}, only {known}.")
    return value


def _options(sizes: Sizes, stage: int) -> Sequence[tuple[int, ...]]:
    return sizes.kernels, sizes.expansions, sizes.depths, sizes.width_choices(stage), (0, 1)
