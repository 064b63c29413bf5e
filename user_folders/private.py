"""Folders and files that belong to the user and that nobody else can write."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(folder: Path) -> bool:
    """Makes a folder that nobody else can enter, or closes one of the user's own to others.

    Args:
        folder: Where; missing folders above it are made as usual.

    Returns:
        False where that cannot be had: it belongs to somebody else, is a link or no folder, or the
        disk refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or not _is_ours(found):
            return False
        if found.st_mode & _OTHERS and os.name == "posix":
            folder.chmod(0o700)
    except OSError:
        return False
    return True


def open_own(path: Path) -> BinaryIO:
    """Opens a file for reading that belongs to the user and that nobody else can write.

    The check is made of the file that was opened, so that nobody can exchange it in between.

    Raises:
        OSError: If there is no such file, or somebody else may have written it.
    """
    # A link would lead to a file of somebody else's choice, and a pipe would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb")
    found = os.fstat(file.fileno())
    writable = os.name == "posix" and bool(found.st_mode & _OTHERS_WRITE)
    if writable or not stat.S_ISREG(found.st_mode) or not _is_ours(found):
        file.close()
        raise PermissionError(f"{path}: somebody else may have written it")
    return file


def temporary_folder() -> Path:
    """A temporary folder that the user's processes share and that nobody else can enter.

    Where somebody else has taken its name, every process has one of its own until it ends.
    """
    return _temporary_folder(tempfile.gettempdir())


@functools.cache
def _temporary_folder(parent: str) -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    shared = Path(parent) / f"nas-{user}"
    if make_private(shared):
        return shared
    own = tempfile.mkdtemp(prefix="nas-", dir=parent)
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(own)


def _is_ours(found: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or found.st_uid == os.getuid()
