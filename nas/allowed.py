"""What a user has named on this machine, and files of others may therefore name too.

A run folder can name a database and code of its own, and a network file can name code that builds
the network. Opening them would send the user's password to a server, or run code, of somebody
else's choice. So both are used only if the user has named them: by making such a run or network
here, or by ``nas allow``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.objects import is_object
from user_folders import open_own, private_folder

# Keys of settings whose text is an address, a place, a device or a class, and no import path.
_NO_CODE = frozenset(
    {
        *("storage", "data", "cache", "table", "run", "weights", "teacher"),
        *("device", "latency", "classes"),
    }
)
# Options of a task are its own affair; code that takes them has to be named as the task.
_OWN_AFFAIR = "task_options"
_IMPORTS = "imports"
# What is named here has to be a search space or a controller, and ours do no harm.
_OF_CLASSES = ("space.name", "controller.name")
_OURS = ("nas.", "search_spaces.")

_told: set[str] = set()


def allow(names: Iterable[str]) -> None:
    """Remembers what the user has named, for later processes too where a cache can be kept.

    Args:
        names: Addresses of databases without passwords, import paths, and modules.
    """
    new = set(names) - _known()
    if not new:
        return
    _told.update(new)
    try:
        file = os.open(_list(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(file, "a", encoding="utf-8") as lines:
            lines.writelines(f"{name}\n" for name in sorted(new))
    except OSError:
        # It is asked for again then.
        return


def require(names: Iterable[str], source: Path) -> None:
    """Refuses what the user has not named on this machine.

    Args:
        names: What a file names.
        source: The file or folder that names it.

    Raises:
        UserError: With what is named, and how to allow it.
    """
    unknown = sorted(set(names) - _known())
    if unknown:
        raise UserError(
            f"{source}: it names {', '.join(unknown)}, which was never used on this machine; if "
            f"you trust whoever made it, allow that with: nas allow {source}"
        )


def code_in(values: Any) -> list[str]:
    """Import paths, and modules to import, that settings name; files by their absolute paths.

    Args:
        values: Settings as a YAML file holds them; nothing of them is imported or checked.
    """
    return list(dict.fromkeys(map(_absolute, _code_in(values, ""))))


def _code_in(values: Any, where: str) -> Iterator[str]:
    key = where.rpartition(".")[2]
    if isinstance(values, dict):
        for name, value in values.items():
            if isinstance(name, str) and ":" in name:
                # Costs are keys of their limits.
                yield name
            if name != _OWN_AFFAIR:
                yield from _code_in(value, f"{where}.{name}".removeprefix("."))
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _code_in(value, where)
    elif isinstance(values, str) and (key == _IMPORTS or _is_import_path(values, where, key)):
        yield values


def _is_import_path(text: str, where: str, key: str) -> bool:
    if ":" not in text or key in _NO_CODE or is_object(text):
        return False
    if where in _OF_CLASSES and text.startswith(_OURS):
        return False
    # A task may be a folder with a colon in its name.
    return key != "task" or not Path(text).expanduser().exists()


def _absolute(name: str) -> str:
    file, colon, attribute = name.rpartition(":") if ":" in name else (name, "", "")
    if not file.endswith(".py"):
        return name
    return f"{Path(file).expanduser().resolve()}{colon}{attribute}"


def _known() -> set[str]:
    try:
        with open_own(_list()) as file:
            return _told | set(file.read().decode().splitlines())
    except OSError:
        return _told


def _list() -> Path:
    return private_folder("allowed") / "names"
