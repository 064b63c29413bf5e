"""Search spaces by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from open_registry import Registry, UnknownNameError
from search_spaces.space import Kind, SearchSpace, SpaceError

S = TypeVar("S", bound=type[SearchSpace])


def _complaint(found: Any) -> str | None:
    if not (isinstance(found, type) and issubclass(found, SearchSpace)):
        return "must be a subclass of ClassifierSpace or DecoderSpace"
    if inspect.isabstract(found):
        return f"must define {', '.join(sorted(found.__abstractmethods__))}"
    missing = [name for name in ("name", "kind") if not isinstance(getattr(found, name, None), str)]
    return f"must have the class attribute {missing[0]!r}" if missing else None


_SPACES: Registry[type[SearchSpace]] = Registry(
    "search space",
    {
        "fastnas": "search_spaces.fastnas:FastNAS",
        "nasbench201": "search_spaces.nasbench201:NASBench201",
        "darts": "search_spaces.darts:DARTS",
        "mobile": "search_spaces.mobile:Mobile",
        "template": "search_spaces.template:Template",
        "pyramid": "search_spaces.pyramid:Pyramid",
        "nano": "search_spaces.compact:Nano",
        "micro": "search_spaces.compact:Micro",
        "small": "search_spaces.compact:Small",
    },
    _complaint,
)


def register(space: S) -> S:
    """A decorator that makes a space known by the name that its class has.

    Without it, a space is known by its import path, ``package.module:Name`` or
    ``path/to/file.py:Name``.

    Raises:
        ValueError: If the class is no complete search space, or its name is taken.
    """
    return _SPACES.register()(space)


def names() -> tuple[str, ...]:
    """The built-in and registered names."""
    return _SPACES.names()


def presets(name: str) -> dict[str, dict[str, Any]]:
    """The named sets of options of a space.

    Args:
        name: A name or an import path, as in `create`.

    Raises:
        SpaceError: If there is no such space.
    """
    return {preset: dict(options) for preset, options in find(name).presets.items()}


def starting_options(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a space that a new search takes and saves.

    Args:
        name: A name or an import path, as in `create`.
        given: The options that the search was given.

    Raises:
        SpaceError: If there is no such space.
    """
    return find(name).starting_options(given)


def kind(name: str) -> Kind:
    """What the networks of a space are for.

    Args:
        name: A name or an import path, as in `create`.

    Raises:
        SpaceError: If there is no such space.
    """
    return find(name).kind


def chooses_encoder(name: str) -> bool:
    """Whether the candidates of a space choose among encoders, which its option `encoders` lists.

    Args:
        name: A name or an import path, as in `create`.

    Raises:
        SpaceError: If there is no such space.
    """
    return getattr(find(name), "chooses_encoder", False)


def create(name: str, **options: Any) -> SearchSpace:
    """Creates a search space.

    Args:
        name: One of `names()`, or an import path: ``package.module:Name`` or
            ``path/to/file.py:Name``.
        **options: Sizes of the space; what is left out has the space's default.

    Raises:
        SpaceError: If the space or an option is unknown, or an option has a wrong value.
    """
    space = find(name)
    parameters = inspect.signature(space).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in parameters and not takes_any:
            raise SpaceError(f"{name} has no option {option!r}; {_hint(option, list(parameters))}")
    return space(**options)


def address(space: str | SearchSpace | type[SearchSpace]) -> str:
    """What `create` takes for the same space in another process, started in any folder.

    Args:
        space: A name, an import path, a space or its class.

    Returns:
        The name of a built-in space; an import path, with the absolute path of its file, of
        others; the name of one that was defined in a notebook, which `is_importable` tells.

    Raises:
        SpaceError: If there is no such space.
    """
    try:
        return _SPACES.address(_class_of(space))
    except UnknownNameError as error:
        raise SpaceError(str(error)) from error


def is_importable(space: str | SearchSpace | type[SearchSpace]) -> bool:
    """Whether other processes can create the space by its `address`.

    Raises:
        SpaceError: If there is no such space.
    """
    try:
        return _SPACES.is_importable(_class_of(space))
    except UnknownNameError as error:
        raise SpaceError(str(error)) from error


def _class_of(space: str | SearchSpace | type[SearchSpace]) -> str | type[SearchSpace]:
    return type(space) if isinstance(space, SearchSpace) else space


def find(name: str) -> type[SearchSpace]:
    """The class of a space.

    Args:
        name: A name or an import path, as in `create`.

    Raises:
        SpaceError: If there is no such space.
    """
    try:
        return _SPACES.get(name)
    except UnknownNameError as error:
        raise SpaceError(str(error)) from error


def _hint(word: str, known: list[str]) -> str:
    if not known:
        return "it has none."
    nearest = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"choose from {', '.join(known)}."
