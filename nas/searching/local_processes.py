"""Worker processes on this machine: what starts and restarts them, and what each of them runs.

A process is started as ``python -m nas.searching.local_processes RUN INDEX PARENT ASSEMBLY``;
people use ``nas worker``.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Protocol, cast

import optuna

from nas.errors import UserError
from nas.files import write_json
from nas.searching import interrupts
from nas.searching.assembly import Assembly
from nas.searching.places import Places, completed
from nas.searching.provenance import available_cpus
from nas.searching.run_folder import RunFolder
from nas.searching.stop import SearchError, check_beyond, check_failures
from nas.searching.study import first_trial
from nas.searching.worker import run_worker

# Deaths in a row, with no trial completed by any worker in between, after which a search gives up.
# A killed process may have been killed by the user; one that crashed will crash again.
_MOST_KILLS = 20
_MOST_CRASHES = 3
# Seconds that a worker has to record that it was interrupted.
_PATIENCE = 15.0


class ExitCode(IntEnum):
    """Exit codes of a worker process; 1 is Python's for an uncaught exception."""

    DONE = 0
    CRASHED = 1
    WRONG_USE = 2
    STOPPED = 3
    INTERRUPTED = 130


class WorkerProcess(Protocol):
    """A running worker, with the interface of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


Launch = Callable[[RunFolder, int], WorkerProcess]
"""Starts the worker of a given index."""


class LocalProcesses:
    """Starts worker processes, and replaces those that die.

    The processes share nothing but the storage. Their ids are kept in ``workers.json``.

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
        deaths = _Deaths()
        running = {index: self._launch(run, index) for index in range(self._workers)}
        try:
            _write_ids(run, running)
            while running:
                with interrupts.allowed():
                    time.sleep(self._poll)
                look(study)
                for index, code in _ended(running).items():
                    del running[index]
                    places.release_lost()
                    if _must_respawn(run, study, index, code, deaths):
                        running[index] = self._launch(run, index)
                    _write_ids(run, running)
            look(study)
            trials, first = study.get_trials(deepcopy=False), first_trial(study)
            check_failures(trials, first, config.failures_in_a_row)
            check_beyond(trials, first, config.beyond_in_a_row)
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
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
                # Ctrl-C goes to the parent, which then shuts its workers down cleanly.
                start_new_session=True,
            )

    return launch


def main(arguments: list[str]) -> int:
    """Runs one worker; the exit code tells the parent why it ended."""
    path, index, parent, assembly = arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        with interrupts.handled():
            run_worker(
                RunFolder.open(Path(path)),
                int(index),
                load_assembly(assembly),
                # Without the parent, nobody shows progress or replaces dead workers.
                should_stop=lambda: os.getppid() != int(parent),
            )
    except UserError as error:
        print(error, file=sys.stderr)
        return ExitCode.WRONG_USE
    except SearchError as error:
        print(error, file=sys.stderr)
        return ExitCode.STOPPED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def load_assembly(name: str) -> Assembly:
    """Imports an assembly by its path ``package.module:name``."""
    module, _, attribute = name.partition(":")
    return cast(Assembly, getattr(importlib.import_module(module), attribute))


def _must_respawn(
    run: RunFolder, study: optuna.Study, index: int, code: int, deaths: _Deaths
) -> bool:
    if code in (ExitCode.DONE, ExitCode.STOPPED):
        return False
    if code == ExitCode.WRONG_USE:
        raise UserError(_last_line(_log(run, index)))
    if deaths.too_many(code, completed(study.get_trials(deepcopy=False))):
        raise SearchError(
            f"worker {index} keeps dying ({_cause(code)}: {_last_line(_log(run, index))}); "
            f"see {_log(run, index)}, and continue with --resume."
        )
    return True


class _Deaths:
    """Counts the deaths since the last completed trial."""

    def __init__(self) -> None:
        self._completed = 0
        self._kills = 0
        self._crashes = 0

    def too_many(self, code: int, completed_trials: int) -> bool:
        """Counts a death, and returns whether to give up."""
        if completed_trials > self._completed:
            self._completed, self._kills, self._crashes = completed_trials, 0, 0
        if code < 0 or code == ExitCode.INTERRUPTED:
            self._kills += 1
        else:
            self._crashes += 1
        return self._kills > _MOST_KILLS or self._crashes >= _MOST_CRASHES


def _ended(running: dict[int, WorkerProcess]) -> dict[int, int]:
    codes = {index: process.poll() for index, process in running.items()}
    return {index: code for index, code in codes.items() if code is not None}


def _end(running: dict[int, WorkerProcess]) -> None:
    for process in running.values():
        process.terminate()
    deadline = time.monotonic() + _PATIENCE
    for process in running.values():
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cause(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


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
