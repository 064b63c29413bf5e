"""Watches over the process of a search, which a candidate can take down.

With one worker, candidates are trained in the process of the command itself. The command therefore
runs in a fork of this process, made before anything large is imported. If it ends without a word,
its trial is recorded with what ended it and the search goes on in a new fork; what candidates have
started ends with it. Linux only: elsewhere the command runs unwatched.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from nas.searching import ends
from nas.searching.ends import Deaths, ExitCode, Word, cause_of
from nas.terminal import say

_COMMANDS = ("search", "worker")
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")
# See prctl(2).
_PARENT_DEATH_SIGNAL, _SUBREAPER = 1, 36
_PROC = Path("/proc")
_FAILED = 1
_OF_A_SIGNAL = 128


def is_watched(arguments: list[str]) -> bool:
    """Whether a command trains candidates, and can be watched here."""
    command = next((one for one in arguments if not one.startswith("-")), "")
    return sys.platform == "linux" and command in _COMMANDS


def watch(run: Callable[[], None]) -> None:
    """Runs a command in a process of its own, and again where that dies; then exits.

    Args:
        run: The command of `sys.argv`, which exits.
    """
    _prctl(_SUBREAPER, 1)
    deaths = Deaths()
    watched = {signal.SIGCHLD, *(getattr(signal, name) for name in _FORWARDED)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    while True:
        (ended, end), (begun, begin) = os.pipe(), os.pipe()
        parent = os.getpid()
        child = os.fork()
        if not child:
            _prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if os.getppid() == parent:
                ends.announce_to(begin)
                _run(run, end)
            return
        os.close(end)
        os.close(begin)
        code, interruption = _wait(child, watched)
        _end_orphans()
        word, start = Word.read(ended), Word.read(begun)
        os.close(ended)
        os.close(begun)
        if word is not None:
            sys.exit(word.code)
        told = f"nas: the process of the search ended without a word ({cause_of(code)})"
        if interruption is not None:
            sys.exit(_OF_A_SIGNAL + interruption)
        if start is None or deaths.too_many(code, start.code):
            say(f"{told}; what is finished is kept: continue with --resume.", file=sys.stderr)
            sys.exit(_FAILED)
        say(f"{told}; it goes on.", file=sys.stderr)
        ends.note(child, cause_of(code))
        if "search" in sys.argv:
            debug = [one for one in sys.argv if one == "--debug"]
            sys.argv[1:] = [*debug, "search", "--resume", "--run", start.sentence]


def _run(run: Callable[[], None], end: int) -> None:
    try:
        run()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        # Before the word: what is written at the very end can still fail.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        Word(code).say(end)
        raise
    Word(ExitCode.DONE).say(end)


def _wait(child: int, watched: set[signal.Signals]) -> tuple[int, int | None]:
    """Waits for the end of a process, and hands on signals that did not reach it.

    Returns:
        Its exit code as `subprocess` gives it, and a signal that this process received.
    """
    interruption = None
    while True:
        received = signal.sigwaitinfo(watched)
        if received.si_signo != signal.SIGCHLD:
            interruption = received.si_signo
            # A terminal sends its signals to both processes, and others do not.
            if received.si_code <= 0:
                os.kill(child, received.si_signo)
            continue
        code = None
        for process, status in _reaped():
            if process == child:
                code = os.waitstatus_to_exitcode(status)
        if code is not None:
            return code, interruption


def _reaped() -> list[tuple[int, int]]:
    found = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(one)
    return found


def _end_orphans() -> None:
    """Kills what the process has started; orphans become children of this one."""
    while found := _children():
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)
        _reaped()


def _children() -> list[int]:
    found = []
    for stat in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may itself contain spaces and parentheses.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(stat.parent.name))
    return found


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
