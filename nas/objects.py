"""Python objects where a configuration has a name: a task, a teacher, an encoder.

A configuration is text, so an object is kept here under a name that the configuration holds.
Another process does not find it: it is given again, or named by an import path instead.
"""

from __future__ import annotations

from typing import Any

from nas.errors import UserError

_PREFIX = "object:"
_objects: dict[str, Any] = {}


def keep(found: Any, key: str) -> str:
    """Keeps an object of this process.

    Args:
        found: The object.
        key: Changes with its content, so that another object cannot take its place.

    Returns:
        Its name.
    """
    name = f"{_PREFIX}{key}"
    _objects[name] = found
    return name


def is_object(name: object) -> bool:
    """Whether a value of a configuration stands for an object."""
    return isinstance(name, str) and name.startswith(_PREFIX)


def kept(name: str, what: str) -> Any:
    """The object of a name.

    Args:
        name: What `keep` gave.
        what: What the object is, for the message, for example ``task``.

    Raises:
        UserError: If this process was not given it.
    """
    if name not in _objects:
        raise UserError(
            f"the {what} {name.removeprefix(_PREFIX)!r} was given as a Python object, which this "
            f"process does not have; give it again, for example nas.open(run, {what}=...)."
        )
    return _objects[name]
