"""How processes that run candidates end: what they say themselves, and what is seen from outside.

A candidate can end its process with any exit code, so that codes alone say nothing. A process that
has finished its work says so through a pipe; every other end is a death.

This module is light: the command line uses it before it imports what takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

# Deaths in a row, with no trial completed in between, after which a search gives up.
# A killed process may have been killed by the user; one that crashed will crash again.
_MOST_KILLS = 20
_MOST_CRASHES = 3


class ExitCode(IntEnum):
    """Exit codes of a worker process; 1 is Python's for an uncaught exception."""

    DONE = 0
    CRASHED = 1
    WRONG_USE = 2
    STOPPED = 3
    INTERRUPTED = 130


@dataclass(frozen=True)
class Word:
    """What a process says of its own end.

    Attributes:
        code: Why it ends.
        sentence: What a user has to know of it; may be empty.
    """

    code: int
    sentence: str = ""

    def say(self, pipe: int) -> None:
        """Writes it to a pipe; nobody may be there to read it."""
        with contextlib.suppress(OSError):
            os.write(pipe, f"{json.dumps([self.code, self.sentence])}\n".encode())

    @classmethod
    def read(cls, pipe: int) -> Word | None:
        """The word of a process that has ended, or None for one that said nothing."""
        os.set_blocking(pipe, False)
        text = b""
        # A child of the process may still hold the other end.
        with contextlib.suppress(BlockingIOError):
            while part := os.read(pipe, 65536):
                text += part
        try:
            code, sentence = json.loads(text.decode().splitlines()[-1])
        except (ValueError, IndexError):
            return None
        return cls(int(code), str(sentence))


class Deaths:
    """Counts the deaths since the last progress."""

    def __init__(self) -> None:
        self._progress = 0
        self._kills = 0
        self._crashes = 0

    def too_many(self, code: int, progress: int) -> bool:
        """Counts a death, and returns whether to give up.

        Args:
            code: As `subprocess` gives it: negative for a signal.
            progress: A number that grows when something is finished.
        """
        if progress > self._progress:
            self._progress, self._kills, self._crashes = progress, 0, 0
        if code < 0 or code == ExitCode.INTERRUPTED:
            self._kills += 1
        else:
            self._crashes += 1
        return self._kills > _MOST_KILLS or self._crashes >= _MOST_CRASHES


def cause_of(code: int) -> str:
    """What ended a process, as a clause.

    Args:
        code: As `subprocess` gives it: negative for a signal.
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


_causes: dict[int, str] = {}


def note(process: int, cause: str) -> None:
    """Remembers what ended a process, so that its trial can be recorded with it.

    Args:
        process: Its id.
        cause: See `cause_of`.
    """
    _causes[process] = cause


def known_cause(process: int) -> str | None:
    """What ended a process of this machine, or None where nobody noted it."""
    return _causes.get(process)


_announcements: list[int] = []


def announce_to(pipe: int) -> None:
    """Sets where `announce` writes to."""
    _announcements[:] = [pipe]


def announce(run: Path, complete: int) -> None:
    """Tells a process that watches over this one what to continue if this one dies.

    Args:
        run: The run folder whose candidates are about to be trained in this process.
        complete: Number of its complete trials.
    """
    for pipe in _announcements:
        Word(complete, str(run)).say(pipe)
