"""Forks worker processes from a process that has everything imported and no database open.

A fresh interpreter needs seconds for its imports; a test that kills workers cannot wait for them.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from nas.searching import local_processes
from nas.searching.ends import Word
from nas.searching.run_folder import RunFolder


def fork(body: Callable[[], int]) -> int:
    """Runs a function in a forked process and returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = body()
    finally:
        # The forked process must never return into pytest, whatever it raised.
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        os._exit(code)


class Zygote:
    """Starts workers on request; they end when it ends, and it ends with its maker."""

    def __init__(self) -> None:
        self._requests, theirs = multiprocessing.Pipe()
        ours = self._requests
        self.pid = fork(lambda: _serve(theirs, ours))
        theirs.close()

    def launch(self, run: RunFolder, index: int) -> ForkedWorker:
        return ForkedWorker(self, self.ask(("start", str(run.path), index)))

    def ask(self, request: tuple[object, ...]) -> Any:
        self._requests.send(request)
        return self._requests.recv()


class ForkedWorker:
    """A worker as `nas.searching.local_processes.WorkerProcess` wants it."""

    def __init__(self, zygote: Zygote, pid: int | None) -> None:
        assert pid is not None
        self.pid = pid
        self._zygote = zygote
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._zygote.ask(("poll", self.pid))
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked worker", timeout or 0.0)
            time.sleep(0.02)
        return code

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._code is None:
            self._signal(signal.SIGKILL)

    def word(self) -> Word | None:
        return self._zygote.ask(("word", self.pid))

    def _signal(self, number: int) -> None:
        # Like subprocess, which keeps quiet when the process ended since it was last looked at.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def _serve(requests: Connection, ours: Connection) -> int:
    ours.close()
    pipes: dict[int, int] = {}
    while True:
        try:
            kind, *arguments = requests.recv()
        except EOFError:
            return 0
        if kind == "start":
            path, index = arguments
            word, pipe = os.pipe()
            command = [path, str(index), str(os.getpid()), "search_fakes:assembly", str(pipe)]
            pid = fork(lambda command=command: local_processes.main(command))
            os.close(pipe)
            pipes[pid] = word
            requests.send(pid)
        elif kind == "word":
            requests.send(Word.read(pipes[arguments[0]]))
        else:
            requests.send(_exit_code(arguments[0]))


def _exit_code(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None
