"""What starts the workers of a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import optuna

from nas.errors import UserError
from nas.searching.assembly import Assembly
from nas.searching.places import Places
from nas.searching.run_folder import RunFolder
from nas.searching.worker import run_worker
from open_registry import Registry, UnknownNameError


class Executor(Protocol):
    """Starts workers and returns when they have ended."""

    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        """Works on a study.

        Args:
            run: The run folder; its study exists.
            study: The study, opened by the caller.
            places: Its places, as the caller sees them.
            look: Called every now and then, so that progress can be shown.

        Raises:
            SearchError: If the workers cannot complete the number of trials asked for.
            UserError: If a worker found the configuration wrong.
            KeyboardInterrupt: After every worker has ended, if the search was interrupted.
        """


class InProcess:
    """One worker in the calling process.

    Args:
        workers: Not more than 1.
        assembly: What builds the space, the controller and the evaluator.
        import_path: Not needed: there is no other process.

    Raises:
        UserError: If more workers are asked for.
    """

    def __init__(self, workers: int, assembly: Assembly, import_path: str) -> None:
        if workers > 1:
            raise UserError(f"executor in_process has one worker, not {workers}; leave it out.")
        self._assembly = assembly

    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        """See `Executor.run`; `look` is called after every trial."""
        look(study)
        run_worker(run, 0, self._assembly, after_trial=look)


def _complaint(found: Any) -> str | None:
    return None if hasattr(found, "run") else "must have a method run; see Executor"


EXECUTORS: Registry[Callable[[int, Assembly, str], Executor]] = Registry(
    "executor",
    {
        "in_process": "nas.searching.executors:InProcess",
        "local_processes": "nas.searching.local_processes:LocalPythonProcesses",
        "nni": "nas.searching.nni_experiment:NniTrials",
        "ray": "nas.searching.ray_tasks:RayTasks",
    },
    _complaint,
)
"""Classes that are called with (workers, assembly, import path of the assembly)."""


def create_executor(
    name: str | None, workers: int, assembly: Assembly, import_path: str
) -> Executor:
    """Makes an executor.

    Args:
        name: A name or an import path; None works in this process with one worker, and in local
            processes with several.
        workers: Number of workers.
        assembly: What builds the parts of the search.
        import_path: Where worker processes find it, ``package.module:name``.

    Raises:
        UserError: If there is no such executor.
    """
    chosen = name or ("in_process" if workers == 1 else "local_processes")
    try:
        return EXECUTORS.get(chosen)(workers, assembly, import_path)
    except UnknownNameError as error:
        raise UserError(str(error)) from error
