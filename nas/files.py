"""Writing files so that neither a kill nor a full disk leaves half of one."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# As safetensors and SQLite say it.
_FULL_IN_WORDS = re.compile(
    rf"\(os error ({'|'.join(map(str, sorted(_FULL)))})\)|No space left|disk is full"
)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, and renames it to `path` when the block succeeds.

    The temporary file is removed when the block raises, and `path` is then left as it was. A link
    of that name is replaced, not followed.

    Raises:
        DiskFullError: If the disk is full.
    """
    with naming_full_disks(path):
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            # mkstemp makes the file private; the umask decides who may read a result.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


class DiskFullError(UserError):
    """A disk, or what a user may have of it, is full.

    Args:
        path: What could not be written.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(f"disk full: {path}; make room, then continue.")


@contextmanager
def naming_full_disks(path: Path) -> Iterator[None]:
    """Turns what libraries say of a full disk into a sentence.

    Args:
        path: What the block writes.

    Raises:
        DiskFullError: If the disk is full.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise DiskFullError(path) from error


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that it follows from, says that a disk is full."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        if isinstance(following, OSError) and following.errno in _FULL:
            return True
        if _FULL_IN_WORDS.search(str(following)):
            return True
        seen.append(following)
        following = following.__cause__ or following.__context__
    return False


def write_text(path: Path, text: str) -> None:
    """Writes a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file in one step; what is not finite, which JSON lacks, becomes null."""
    write_text(path, json.dumps(finite_only(value), indent=2, allow_nan=False) + "\n")


def finite_only(value: Any) -> Any:
    """The same mappings and lists with None for what is not finite."""
    if isinstance(value, Mapping):
        return {key: finite_only(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_only(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
