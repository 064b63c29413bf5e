"""Worker processes on this machine: what starts and restarts them, and what each of them runs.

A process is started as ``python -m nas.searching.local_processes RUN INDEX PARENT ASSEMBLY PIPE``;
people use ``nas worker``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import optuna

from nas.cores import available_cpus
from nas.errors import UserError
from nas.files import write_json
from nas.searching import ends, interrupts
from nas.searching.assembly import Assembly, load_assembly
from nas.searching.ends import Deaths, ExitCode, Word, cause_of
from nas.searching.places import Places, is_suspended
from nas.searching.run_folder import RunFolder
from nas.searching.stop import check_outcome, is_reached, must_replace
from nas.searching.worker import YIELDING, run_worker, word_of

# Seconds that a worker has to record that it was interrupted.
PATIENCE = 15.0
# Seconds that a worker has to end by itself once the number of trials is reached.
FAREWELL = 5.0
# Seconds between two searches for workers that are alive and silent.
_ROUND = 5.0


class WorkerProcess(Protocol):
    """A running worker, with the interface of `subprocess.Popen` and two methods more."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None:
        """Kills it with every process that it has started; it may have ended."""

    def word(self) -> Word | None:
        """What it said of its end, once it has ended; None where it was ended."""


Launch = Callable[[RunFolder, int], WorkerProcess]
"""Starts the worker of a given index."""


class LocalProcesses:
    """Starts worker processes, and replaces those that die or fall silent.

    The processes share nothing but the storage. Their ids are kept in ``workers.json``. A worker
    ends when it says so; a process that ends without a word was ended by something else, whatever
    its exit code is. None of the processes that a worker has started outlives it.

    Args:
        workers: Number of processes.
        launch: Starts one; see `python_processes`.
        poll: Seconds between two checks of the processes.
    """

    def __init__(self, workers: int, launch: Launch, poll: float = 0.5) -> None:
        if workers < 1:
            raise UserError(f"--workers must be at least 1, not {workers}.")
        self._workers = workers
        self._launch = launch
        self._poll = poll

    @interrupts.handled()
    @interrupts.held()
    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        """See `Executor.run`."""
        config = run.config()
        deaths, silence = Deaths(), _Silence(config.grace)
        farewell = None
        running = {index: self._launch(run, index) for index in range(self._workers)}
        try:
            _write_ids(run, running)
            while running and (farewell is None or time.monotonic() < farewell):
                with interrupts.allowed():
                    time.sleep(self._poll)
                look(study)
                for process in silence.broken(running, places):
                    process.kill()
                for index, code in _ended(running).items():
                    process = running.pop(index)
                    # What it has started goes with it.
                    process.kill()
                    word = process.word()
                    ends.note(process.pid, cause_of(code))
                    places.release_lost()
                    told = (
                        f"worker {index} keeps dying ({cause_of(code)}: "
                        f"{_last_line(_log(run, index))}); see {_log(run, index)}"
                    )
                    if must_replace(study, deaths, code, word, told):
                        running[index] = self._launch(run, index)
                    _write_ids(run, running)
                if farewell is None and is_reached(study):
                    # Nothing is left to do, whatever a worker that hangs may think.
                    farewell = time.monotonic() + FAREWELL
            look(study)
            check_outcome(study, config)
        finally:
            _end(running)
            places.release_lost()


class LocalPythonProcesses(LocalProcesses):
    """Local worker processes, each a Python interpreter of its own; see `python_processes`.

    Args:
        workers: Number of processes.
        assembly: Not used: every process makes its own.
        import_path: Where they find it, ``package.module:name``.
    """

    def __init__(self, workers: int, assembly: Assembly, import_path: str) -> None:
        super().__init__(workers, python_processes(workers, import_path))


def python_processes(workers: int, assembly: str) -> Launch:
    """Starts every worker in a new interpreter; its log is ``logs/worker-K.log``.

    A new process rather than a thread or a fork: it can be killed alone, and CUDA works in it.
    It ends after its current trial if the calling process is gone.

    Args:
        workers: Number of workers that share the cores.
        assembly: Import path of an `Assembly`, ``package.module:name``.
    """
    threads = str(max(1, available_cpus() // workers))

    def launch(run: RunFolder, index: int) -> WorkerProcess:
        command = [sys.executable, "-m", "nas.searching.local_processes"]
        command += [str(run.path), str(index), str(os.getpid()), assembly]
        with _log(run, index).open("ab") as log:
            return _PythonProcess(
                command,
                log.fileno(),
                {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            )

    return launch


class _PythonProcess:
    """A worker in a session of its own, and the pipe through which it says how it ended."""

    def __init__(self, command: list[str], log: int, environment: dict[str, str]) -> None:
        self._pipe, theirs = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(theirs,),
                # Ctrl-C goes to the parent, which then shuts its workers down cleanly.
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self.pid = self._process.pid
        self.poll, self.wait = self._process.poll, self._process.wait
        self.terminate = self._process.terminate

    def kill(self) -> None:
        # Its session has its id, also after its end.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def word(self) -> Word | None:
        try:
            return Word.read(self._pipe)
        finally:
            os.close(self._pipe)


def main(arguments: list[str]) -> int:
    """Runs one worker, which tells its parent through a pipe why it ended."""
    path, index, parent, assembly, pipe = arguments
    # Candidates may start processes; what these leave behind says nothing.
    os.set_inheritable(int(pipe), False)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")

    def orphaned() -> bool:
        return os.getppid() != int(parent)

    word = _work(RunFolder(Path(path)), int(index), assembly, orphaned)
    if word.sentence:
        print(word.sentence, file=sys.stderr)
    word.say(int(pipe))
    if orphaned() and os.getpgrp() == os.getpid():
        # Nobody else ends what candidates have started.
        os.killpg(os.getpgrp(), signal.SIGKILL)
    return word.code


def _work(run: RunFolder, index: int, assembly: str, orphaned: Callable[[], bool]) -> Word:
    def work() -> None:
        with interrupts.handled():
            # Without the parent, nobody shows progress or replaces dead workers.
            threading.Thread(target=_end_with_parent, args=(orphaned,), daemon=True).start()
            found = load_assembly(assembly)
            run_worker(
                RunFolder.open(run.path), index, found, should_stop=orphaned, yielding=YIELDING
            )

    word = word_of(work)
    return Word(ExitCode.INTERRUPTED) if word.code == ExitCode.DONE and orphaned() else word


def _end_with_parent(orphaned: Callable[[], bool]) -> None:
    while not orphaned():
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    # The candidate hangs where no signal reaches it.
    leads = os.getpgrp() == os.getpid()
    os.killpg(os.getpgrp(), signal.SIGKILL) if leads else os._exit(ExitCode.INTERRUPTED)


class _Silence:
    """Finds workers that are alive and do nothing: stopped, or stuck where no signal reaches them.

    Args:
        grace: Seconds after which a stopped worker is given up.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._next = 0.0
        self._stopped: dict[int, float] = {}

    def broken(self, running: dict[int, WorkerProcess], places: Places) -> list[WorkerProcess]:
        """The workers that have to be replaced."""
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + _ROUND
        places.release_lost()
        self._stopped = {
            process.pid: self._stopped.get(process.pid, now)
            for process in running.values()
            if is_suspended(process.pid)
        }
        stopped = {pid for pid, since in self._stopped.items() if now - since >= self._grace}
        silent = places.given_up()
        return [process for process in running.values() if process.pid in stopped | silent]


def _ended(running: dict[int, WorkerProcess]) -> dict[int, int]:
    codes = {index: process.poll() for index, process in running.items()}
    return {index: code for index, code in codes.items() if code is not None}


def _end(running: dict[int, WorkerProcess]) -> None:
    for process in running.values():
        process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in running.values():
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # What it has started goes with it.
        process.kill()


def _log(run: RunFolder, index: int) -> Path:
    return run.logs / f"worker-{index}.log"


def _last_line(log: Path) -> str:
    if not log.is_file():
        return "no log"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no message")


def _write_ids(run: RunFolder, running: dict[int, WorkerProcess]) -> None:
    write_json(run.path / "workers.json", {str(i): p.pid for i, p in sorted(running.items())})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
