"""Search spaces by name."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from search_spaces.darts import DARTS
from search_spaces.fastnas import FastNAS
from search_spaces.mobile import Mobile
from search_spaces.nasbench201 import NASBench201
from search_spaces.space import Kind, SearchSpace, SpaceError
from search_spaces.template import Template

_SPACES: dict[str, type[SearchSpace]] = {
    space.name: space for space in (FastNAS, NASBench201, DARTS, Mobile, Template)
}


def names() -> tuple[str, ...]:
    """The names that `create` knows."""
    return tuple(_SPACES)


def presets(name: str) -> dict[str, dict[str, Any]]:
    """The named sets of options of a space.

    Raises:
        SpaceError: If there is no space of that name.
    """
    return {preset: dict(options) for preset, options in _find(name).presets.items()}


def kind(name: str) -> Kind:
    """What the networks of a space are for.

    Raises:
        SpaceError: If there is no space of that name.
    """
    return _find(name).kind


def create(name: str, **options: Any) -> SearchSpace:
    """Creates a search space.

    Args:
        name: One of `names()`.
        **options: Sizes of the space; what is left out has the space's default.

    Raises:
        SpaceError: If the space or an option is unknown, or an option has a wrong value.
    """
    space = _find(name)
    known = list(inspect.signature(space).parameters)
    for option in options:
        if option not in known:
            raise SpaceError(f"{name} has no option {option!r}; {_suggestion(option, known)}.")
    return space(**options)


def _find(name: str) -> type[SearchSpace]:
    if name not in _SPACES:
        hint = _suggestion(str(name), list(_SPACES))
        raise SpaceError(f"there is no search space {name!r}; {hint}.")
    return _SPACES[name]


def _suggestion(word: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(word, known, n=1)
    return f"the nearest is {nearest[0]!r}" if nearest else f"choose from {', '.join(known)}"
