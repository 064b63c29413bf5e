"""Workers on a Ray cluster, one task for each.

A task is a worker like any other: it works on the study of the run until the number of trials is
reached. A node that does not reach the run folder makes one of its own from what the study says.
Ray decides where a task runs and which part of a GPU it gets. Tasks are not retried by Ray, which
does not know what is finished: a task that ends without a word is replaced here.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock

from nas import allowed
from nas.errors import UserError
from nas.searching import interrupts
from nas.searching.assembly import Assembly, load_assembly
from nas.searching.config import SearchConfig
from nas.searching.databases import sqlite_path, without_password
from nas.searching.ends import Deaths, ExitCode, Word
from nas.searching.local_processes import FAREWELL, PATIENCE
from nas.searching.places import Places
from nas.searching.run_folder import RunFolder
from nas.searching.stop import check_outcome, is_reached, must_replace
from nas.searching.study import join_study
from nas.searching.worker import YIELDING, run_worker, word_of
from user_folders import temporary_folder

# Seconds between two looks at the study.
_POLL = 0.5
_KILLED = -9


class RayTasks:
    """Workers as tasks of Ray: of the cluster of RAY_ADDRESS or of this machine, or of a new one.

    Args:
        workers: Number of tasks.
        assembly: Not used: every task makes its own.
        import_path: Where they find it, ``package.module:name``.

    Raises:
        UserError: If Ray is not installed.
    """

    def __init__(self, workers: int, assembly: Assembly, import_path: str) -> None:
        self._ray = _import_ray()
        self._workers = workers
        self._import_path = import_path

    @interrupts.handled()
    @interrupts.held()
    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        """See `Executor.run`.

        Raises:
            UserError: Also if the cluster cannot be reached, has no node with the GPUs asked for,
                or has several nodes that share no database.
        """
        ray, config = self._ray, run.config()
        known = ray.is_initialized()
        if not known:
            _connect(ray)
        try:
            nodes = [node for node in ray.nodes() if node["Alive"]]
            task = _task(ray, config, nodes)
            names = allowed.code_in(run.values())
            if config.storage is not None:
                names.append(without_password(config.storage))

            def launch(index: int) -> Any:
                return task.remote(
                    str(run.path.resolve()),
                    run.study_name,
                    config.storage,
                    index,
                    self._import_path,
                    names,
                )

            self._watch(run, study, places, look, launch)
            check_outcome(study, config)
        finally:
            if not known:
                ray.shutdown()

    def _watch(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
        launch: Callable[[int], Any],
    ) -> None:
        ray, deaths, farewell = self._ray, Deaths(), None
        running = {launch(index): index for index in range(self._workers)}
        try:
            while running and (farewell is None or time.monotonic() < farewell):
                with interrupts.allowed():
                    ended, _ = ray.wait(list(running), timeout=_POLL)
                look(study)
                for reference in ended:
                    index = running.pop(reference)
                    code, word, cause = _end_of(ray, reference)
                    places.release_lost(cause)
                    told = f"Ray worker {index} keeps dying ({cause}); see {_log(run, index)}"
                    if must_replace(study, deaths, code, word, told):
                        running[launch(index)] = index
                if farewell is None and is_reached(study):
                    # Nothing is left to do, whatever a worker that hangs may think.
                    farewell = time.monotonic() + FAREWELL
            look(study)
        finally:
            _cancel(ray, list(running))
            places.release_lost("its Ray task was cancelled")


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "executor ray needs Ray; install it with: pip install 'nas-toolkit[ray]'."
        ) from error
    return ray


def _connect(ray: Any) -> None:
    """Joins the cluster of RAY_ADDRESS, or one that runs on this machine; otherwise makes one.

    Raises:
        UserError: If it cannot be reached.
    """
    # Of a cluster that starts here; who starts one by hand is told of them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        address = os.environ.get("RAY_ADDRESS")
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f"the Ray cluster at {address}" if address else "Ray"
        raise UserError(f"{where} cannot be started or reached ({reason}).") from error


def _task(ray: Any, config: SearchConfig, nodes: Sequence[dict[str, Any]]) -> Any:
    """The remote function of a worker, with the resources of one.

    Raises:
        UserError: If no node can run it.
    """
    most = max((node["Resources"].get("GPU", 0.0) for node in nodes), default=0.0)
    gpus = config.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if most and config.device != "cpu" else 0.0
    if gpus > most:
        raise UserError(
            f"--gpus-per-worker {gpus:g}: no node of the Ray cluster has so many GPUs; the most "
            f"that one has is {most:g}."
        )
    if gpus > 1 and not math.isclose(gpus, round(gpus)):
        raise UserError(f"--gpus-per-worker {gpus:g}: above 1, Ray gives whole GPUs alone.")
    if len(nodes) > 1 and (config.storage is None or sqlite_path(config.storage) is not None):
        raise UserError(
            f"the Ray cluster has {len(nodes)} nodes, and a file is no database for several "
            "machines; give --storage with the address of a database server."
        )
    # A process for each task: it ends with its worker, and its GPU memory with it.
    return ray.remote(num_gpus=gpus, max_retries=0, max_calls=1)(_work)


def _work(
    path: str, study: str, storage: str | None, index: int, import_path: str, names: list[str]
) -> tuple[int, str]:
    """Runs a worker within a task, and returns its word."""
    # Whoever may start tasks on a cluster may run anything there.
    allowed.allow(names)
    try:
        run = _folder_here(Path(path), study, storage)
    except UserError as error:
        return int(ExitCode.WRONG_USE), f"the Ray node {socket.gethostname()}: {error}"
    logging.basicConfig(
        filename=_log(run, index),
        level=logging.INFO,
        format="%(asctime)s %(name)s: %(message)s",
    )
    word = word_of(lambda: run_worker(run, index, load_assembly(import_path), yielding=YIELDING))
    return int(word.code), word.sentence


def _folder_here(path: Path, study: str, storage: str | None) -> RunFolder:
    """The run folder as this node reaches it, or one that is made here for the study.

    Raises:
        UserError: If there is neither.
    """
    # Tasks of a node begin together, and the first one makes it.
    with FileLock(temporary_folder() / f"{hashlib.sha256(str(path).encode()).hexdigest()}.lock"):
        if storage is None or path.exists():
            return RunFolder.open(path)
        return join_study(path, storage, study)


def _end_of(ray: Any, reference: Any) -> tuple[int, Word | None, str]:
    """How a task has ended: a code as `subprocess` has it, its word, and what ended it."""
    try:
        word = Word(*ray.get(reference))
    except ray.exceptions.RayTaskError as error:
        return ExitCode.CRASHED, None, f"{type(error.cause).__name__}: {error.cause}"
    except ray.exceptions.RayError as error:
        # Its process or its node is gone.
        return _KILLED, None, str(error).strip().splitlines()[0].partition(". ")[0].rstrip(".")
    return word.code, word, "it was interrupted"


def _cancel(ray: Any, running: list[Any]) -> None:
    """Ends tasks: they record that they were interrupted, or are killed if that takes too long."""
    for force in (False, True):
        for reference in running:
            ray.cancel(reference, force=force)
        if running:
            _, running = ray.wait(running, num_returns=len(running), timeout=PATIENCE)


def _log(run: RunFolder, index: int) -> Path:
    return run.logs / f"worker-{index}.log"
