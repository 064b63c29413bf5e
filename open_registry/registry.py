"""What is known by name, and can be added to."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Generic, TypeVar, cast, overload

from open_registry.errors import UnknownNameError
from open_registry.importing import import_source, importable_from_elsewhere

T = TypeVar("T")
D = TypeVar("D")


class Registry(Generic[T]):
    """Classes or functions by name: built-in ones, and those of a user.

    Args:
        noun: What is registered, for messages, for example ``search space``.
        built_in: Import path ``package.module:Name`` of each built-in one by its name; its module
            is imported when it is first asked for.
        check: Says what is wrong with something that does not belong here, to follow "the search
            space 'name' …", or None for something that does.

    Examples:
        >>> losses = Registry[type]("loss")
        >>> @losses.register("zero")
        ... class Zero: ...
        >>> losses.names()
        ('zero',)
        >>> losses.get("zero") is Zero
        True
    """

    def __init__(
        self,
        noun: str,
        built_in: Mapping[str, str] | None = None,
        check: Callable[[Any], str | None] = lambda found: None,
    ) -> None:
        self._noun = noun
        self._built_in = dict(built_in or {})
        self._check = check
        self._registered: dict[str, T] = {}

    @overload
    def register(self, name: str | None = None) -> Callable[[D], D]: ...

    @overload
    def register(self, name: D) -> D: ...

    def register(self, name: Any = None) -> Any:
        """A decorator that registers a class or function where it is defined.

        Args:
            name: The name; without one, that in the attribute ``name``, or else ``__name__``.

        Raises:
            ValueError: If the name belongs to something else, or this does not belong here. What
                is defined anew by the same qualified name, as a cell of a notebook that is run
                again does, takes the place of the old one.
        """
        if name is not None and not isinstance(name, str):
            return self.register()(name)

        def add(found: Any) -> Any:
            self._add(name if name is not None else _own_name(found), found)
            return found

        return add

    def names(self) -> tuple[str, ...]:
        """The built-in names, then the registered ones."""
        return (*self._built_in, *self._registered)

    def get(self, name: str) -> T:
        """Finds what a name or an import path stands for.

        Args:
            name: One of `names()`, ``package.module:Name`` or ``path/to/file.py:Name``. A module
                that is not on ``sys.path`` is looked for in the current folder.

        Raises:
            UnknownNameError: One sentence with the nearest names, or why the import failed.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._built_in:
            source, _, attribute = self._built_in[name].rpartition(":")
            return cast(T, getattr(importlib.import_module(source), attribute))
        if ":" not in name:
            raise UnknownNameError(f"there is no {self._noun} {name!r}; {self._hint(name)}")
        found = _imported(name)[2]
        complaint = self._check(found)
        if complaint is not None:
            raise UnknownNameError(f"the {self._noun} {name!r} {complaint}.")
        return cast(T, found)

    def address(self, name: str | T) -> str:
        """What `get` takes for the same thing in another process, started in any folder.

        Args:
            name: A name, an import path, or the class or function itself.

        Returns:
            The name of a built-in one; ``package.module:Name`` of one that is installed and
            ``/absolute/path/file.py:Name`` of others; the name of one that was defined in a
            notebook or inside a function, which other processes do not find: `is_importable`
            tells.

        Raises:
            UnknownNameError: As `get`, or for an object that is neither registered nor importable.
        """
        if not isinstance(name, str):
            return self._address_of(name)
        found = self.get(name)
        if name in self._built_in:
            return name
        path = _path_of(*_imported(name)[:2]) if ":" in name else _import_path(found)
        return path or name

    def is_importable(self, name: str | T) -> bool:
        """Whether another process finds this by its `address`.

        Raises:
            UnknownNameError: As `address`.
        """
        address = self.address(name)
        return address in self._built_in or ":" in address

    def _add(self, name: str, found: Any) -> None:
        if ":" in name:
            raise ValueError(f"a {self._noun} cannot be called {name!r}; leave the colon out.")
        complaint = self._check(found)
        if complaint is not None:
            raise ValueError(f"the {self._noun} {name!r} {complaint}.")
        known = self._registered.get(name)
        if name in self._built_in or (known is not None and not _same_definition(known, found)):
            raise ValueError(f"there is a {self._noun} {name!r} already; choose another name.")
        self._registered[name] = found

    def _address_of(self, found: T) -> str:
        for name in self._built_in:
            if _import_path_in(self._built_in[name]) is found:
                return name
        path = _import_path(found)
        if path is not None:
            return path
        for name, known in self._registered.items():
            if known is found:
                return name
        raise UnknownNameError(
            f"other processes cannot import the {self._noun} {_label(found)}; define it in a file, "
            "or register it to use it in this process alone."
        )

    def _hint(self, name: str) -> str:
        nearest = difflib.get_close_matches(name, self.names(), n=3)
        if nearest:
            return f"did you mean {' or '.join(map(repr, nearest))}?"
        known = f"choose one of {', '.join(self.names())}, or give" if self.names() else "give"
        return f"{known} an import path, package.module:Name or path/to/file.py:Name."


def _own_name(found: Any) -> str:
    name = getattr(found, "name", None)
    if isinstance(name, str):
        return name
    if not hasattr(found, "__name__"):
        raise ValueError(
            f"{found!r} is neither a class nor a function, so it cannot be registered."
        )
    return str(found.__name__)


def _imported(path: str) -> tuple[ModuleType, str, Any]:
    """The module of an import path, what the path names in it, and that."""
    source, _, attribute = path.rpartition(":")
    if not source or not attribute:
        raise UnknownNameError(
            f"{path!r} is no import path; write package.module:Name or path/to/file.py:Name."
        )
    module = import_source(source)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            nearest = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else "check the spelling."
            raise UnknownNameError(f"{source} defines no {attribute!r}; {hint}")
        found = getattr(found, part)
    return module, attribute, found


def _import_path(found: Any) -> str | None:
    """Where other processes find an object, or None if they cannot."""
    module = sys.modules.get(getattr(found, "__module__", None) or "")
    attribute = getattr(found, "__qualname__", None)
    if module is None or attribute is None or _attribute(module, attribute) is not found:
        return None
    return _path_of(module, attribute)


def _path_of(module: ModuleType, attribute: str) -> str | None:
    source = importable_from_elsewhere(module)
    return None if source is None else f"{source}:{attribute}"


def _import_path_in(path: str) -> Any:
    """What a path leads to if its module is imported, or None."""
    source, _, attribute = path.rpartition(":")
    module = sys.modules.get(source)
    return None if module is None else _attribute(module, attribute)


def _attribute(module: ModuleType, attribute: str) -> Any:
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    return found


def _same_definition(known: Any, found: Any) -> bool:
    return known is found or _label(known) == _label(found)


def _label(found: Any) -> str:
    return f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', repr(found))}"
