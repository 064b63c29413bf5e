"""What a user has named on this machine, and files of others may therefore name too.

A run folder can name a database, and a network file can name code that builds the network. Opening
either would send the user's password to a server, or run code, of somebody else's choice. So both
are used only if the user has named them: by making such a run or network here, or by ``nas allow``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nas.errors import UserError
from user_folders import open_own, private_folder

_told: set[str] = set()


def allow(names: Iterable[str]) -> None:
    """Remembers what the user has named, for later processes too where a cache can be kept.

    Args:
        names: Addresses of databases without passwords, and import paths.
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


def _known() -> set[str]:
    try:
        with open_own(_list()) as file:
            return _told | set(file.read().decode().splitlines())
    except OSError:
        return _told


def _list() -> Path:
    return private_folder("allowed") / "names"
