"""The user's cache folder, wherever one can be had."""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
from pathlib import Path

from user_folders.private import make_private, temporary_folder

_logger = logging.getLogger(__name__)
# A full disk makes an empty file, and refuses what is written to it.
_PROBE = bytes(1 << 16)


def cache_folder() -> Path:
    """The user's cache folder for this project.

    ``NAS_CACHE`` names it; otherwise it is ``nas`` in the system's cache folder of the user. Where
    neither can be written, a temporary folder takes its place, and a warning says so.
    """
    wanted = _wanted()
    refused = "there is no home folder" if wanted is None else _refusal(wanted)
    if wanted is not None and refused is None:
        return wanted
    found = temporary_folder()
    _tell(f"{refused}; what can be made again is kept in {found}: NAS_CACHE names another folder.")
    return found


def private_folder(name: str) -> Path:
    """A folder in the cache that nobody else can enter, or a temporary one that nobody else can.

    Args:
        name: Of the folder.
    """
    folder = cache_folder() / name
    if make_private(folder):
        return folder
    found = temporary_folder() / name
    _tell(f"{folder}: others can write there; {found} is used instead.")
    make_private(found)
    return found


def _wanted() -> Path | None:
    if given := os.environ.get("NAS_CACHE"):
        return Path(given).absolute()
    base = _system_folder()
    return None if base is None else base / "nas"


def _system_folder() -> Path | None:
    variable = {"win32": "LOCALAPPDATA", "darwin": ""}.get(sys.platform, "XDG_CACHE_HOME")
    given = Path(os.environ.get(variable, ""))
    # The specification of these variables says to ignore what is empty or relative.
    if given.is_absolute():
        return given
    try:
        home = Path.home()
    except RuntimeError:
        # A user without a name and HOME, as in containers.
        return None
    places = {"win32": ("AppData", "Local"), "darwin": ("Library", "Caches")}
    return home.joinpath(*places.get(sys.platform, (".cache",)))


@functools.cache
def _refusal(folder: Path) -> str | None:
    """Why nothing can be written to a folder, or None where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PROBE)
            file.flush()
    except OSError as error:
        return f"{folder}: no cache can be kept there ({error.strerror})"
    return None


@functools.cache
def _tell(sentence: str) -> None:
    """Warns once."""
    _logger.warning(sentence)
