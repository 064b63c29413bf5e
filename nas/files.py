"""Text of any system is read, and neither a kill nor a full disk leaves half of a file."""

from __future__ import annotations

import codecs
import errno
import hashlib
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

# By the bytes that a file begins with; those of UTF-32 begin with those of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    """Reads a text file of any system: the one reader of all text that users write.

    UTF-8, or UTF-16 and UTF-32 with the mark that editors put in front. Lines end in a line feed
    afterwards, whatever they ended in.

    Raises:
        UserError: If there is no such file, or it is not such a text; one sentence says how to
            save it.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        # A zero byte in the name, or half of a character.
        raise UserError(f"{str(path)!r}: no file can have this name.") from error
    codec = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}: line {line} is not text in {codec.upper().removesuffix('-SIG')}; save the "
            "file as UTF-8."
        ) from error
    if "\0" in text:
        raise UserError(f"{path}: it holds zero bytes, as no text in UTF-8 does; save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: If it cannot be read or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON file ({error}).") from error


def located(path: str | None) -> str | None:
    """The absolute path of what exists, and what does not as it is: whoever opens it says so."""
    if path is None:
        return None
    found = Path(path).expanduser()
    return str(found.absolute()) if found.exists() else path


def fingerprint_of(path: Path) -> str:
    """Changes with the content of a file.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error


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
