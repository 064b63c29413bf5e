"""Milliseconds of processor time that a trial takes in a small and in a large study.

A search on a table, where nothing is trained, works on a study that already has so many trials.
`ours` is the storage of a search, `optuna` the one that it is built on, used as it comes: both keep
the same tables, and run the same trials by turns, each on a copy of the study. Several workers are
processes that run their trials at the same time, each of which also reads those of the others. A
trial costs what it does in a worker of a search, with its allowance and the watch for failures; the
time in which workers start and open the study is told apart, and that of a server not at all.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sql
from fault_campaign import make_table
from optuna.storages import RDBStorage
from optuna.storages._rdb import models

from nas.searching.allowance import Allowance
from nas.searching.config import TableSearchConfig
from nas.searching.databases import serialise_sqlite
from nas.searching.places import Places, WorkerIdentity
from nas.searching.run_folder import RunFolder
from nas.searching.search import start
from nas.searching.stop import FailureWatch
from nas.searching.storage import TrialCache
from nas.searching.study import first_trial, working_storage
from nas.searching.table import TableAssembly
from nas.searching.trial import TrialRunner, origin_of
from nas.searching.worker import work

# Tables whose rows belong to a trial.
_DETAILS = (
    models.TrialUserAttributeModel,
    models.TrialSystemAttributeModel,
    models.TrialParamModel,
    models.TrialValueModel,
)
_TEMPLATES = 50
_MANY = 10**9


class Plain(RDBStorage):
    """Optuna's storage with what a worker calls beyond its interface."""

    @contextlib.contextmanager
    def together(self, *, with_end: bool = False) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def as_seen(self) -> Iterator[None]:
        yield


def enlarge(storage: RDBStorage, name: str, size: int) -> None:
    """Copies the trials of a study until there are so many; takes seconds."""
    trials = models.TrialModel.__table__
    of_study = trials.c.study_id == storage.get_study_id_from_name(name)
    with storage.engine.begin() as connection:
        found = connection.execute(sql.select(trials).where(of_study).order_by(trials.c.number))
        rows = [dict(row._mapping) for row in found]
        first = connection.execute(sql.select(sql.func.max(trials.c.trial_id))).scalar_one() + 1
        wanted = range(len(rows), size)
        if not wanted:
            return
        new = [
            {**rows[number % len(rows)], "trial_id": first + index, "number": number}
            for index, number in enumerate(wanted)
        ]
        connection.execute(trials.insert(), new)
        known = [row["trial_id"] for row in rows]
        for model in _DETAILS:
            table = model.__table__
            (key,) = table.primary_key.columns.keys()
            found = connection.execute(sql.select(table).where(table.c.trial_id.in_(known)))
            details: dict[int, list[dict[str, Any]]] = {}
            for row in found:
                values = {name: value for name, value in row._mapping.items() if name != key}
                details.setdefault(values["trial_id"], []).append(values)
            copied = [
                {**values, "trial_id": first + index}
                for index, number in enumerate(wanted)
                for values in details.get(known[number % len(known)], [])
            ]
            if copied:
                connection.execute(table.insert(), copied)
        if storage.engine.name == "postgresql":
            last = first + len(wanted) - 1
            connection.execute(sql.text(f"SELECT setval('trials_trial_id_seq', {last})"))


@dataclass(frozen=True)
class Given:
    """A study that a storage works on.

    Attributes:
        kind: "ours" or "optuna".
        size: Trials in the study when it begins.
        run: The run folder.
    """

    kind: str
    size: int
    run: RunFolder


def make_study(kind: str, folder: Path, size: int, options: argparse.Namespace) -> Given:
    """Makes a study with so many trials."""
    config = TableSearchConfig.model_validate(
        {
            "table": str(folder / "table.npz"),
            "dataset": "shapes",
            "trials": _TEMPLATES,
            "storage": options.storage,
            "controller": {"name": options.controller},
            "device": "cpu",
        }
    )
    run = start(config, folder / f"{kind}-{size}-{time.time_ns()}", TableAssembly(), "")
    with working_storage(run, run.config()) as storage:
        enlarge(storage, run.study_name, size)
        study = optuna.load_study(study_name=run.study_name, storage=storage)
        study.set_user_attr("trials", _MANY)
    return Given(kind, size, run)


class Subject:
    """A worker with one of the storages.

    Args:
        given: What it works on.
        index: Number of the worker.
    """

    def __init__(self, given: Given, index: int) -> None:
        began = time.process_time()
        self.opened = contextlib.ExitStack()
        saved = given.run.config()
        origin = origin_of(WorkerIdentity.of_this_process(index), "cpu", saved.seed)
        storage: Any = self.opened.enter_context(working_storage(given.run, saved, origin))
        if given.kind == "optuna":
            url = saved.storage or f"sqlite:///{given.run.study_path}"
            storage = Plain(url, heartbeat_interval=saved.heartbeat, grace_period=saved.grace)
            self.opened.callback(storage.engine.dispose)
            if saved.storage is None:
                # Correct with several workers, and without a wait for the disk, as ours.
                serialise_sqlite(storage.engine)
        parts = TableAssembly().parts(given.run, saved, "cpu")
        self.study = optuna.load_study(
            study_name=given.run.study_name,
            storage=TrialCache(storage) if given.kind == "ours" else storage,
            sampler=parts.controller,
        )
        self.places = Places(self.study, storage, saved.grace)
        self.runner = TrialRunner(
            *(parts, saved.objectives, saved.seed, origin, self.places, storage, saved.limits),
            allowance=Allowance(saved.candidate),
        )
        self.failures = FailureWatch(
            first_trial(self.study), saved.failures_in_a_row, saved.beyond_in_a_row
        )
        self.given = given
        self.run(1)
        self.opening = time.process_time() - began

    def run(self, trials: int) -> float:
        """Runs trials; seconds of processor time of this process for each."""
        began = time.process_time()
        answers = iter([False] * trials)
        work(
            *(self.study, self.places, self.runner, self.failures),
            should_stop=lambda: next(answers, True),
            after_trial=lambda study: self.given.run.remember_trials(
                (self.runner.trial_number or 0) + 1
            ),
        )
        return (time.process_time() - began) / trials


def serve(given: Given, index: int, end: Connection) -> None:
    """A worker process: tells how long opening took, then runs as many trials as it is told to."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    subject = Subject(given, index)
    end.send(subject.opening)
    while trials := end.recv():
        end.send(subject.run(trials))
    subject.opened.close()


class Workers:
    """Workers that run trials on one study at the same time.

    Args:
        given: What they work on.
        number: How many.
    """

    def __init__(self, given: Given, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        pairs = [context.Pipe() for _ in range(number)]
        self._ends = [own for own, _ in pairs]
        self._processes = [
            context.Process(target=serve, args=(given, index, other))
            for index, (_, other) in enumerate(pairs)
        ]
        for process, (_, other) in zip(self._processes, pairs, strict=True):
            process.start()
            # A worker that dies is noticed by the end of its pipe.
            other.close()
        self.opening = statistics.mean(end.recv() for end in self._ends)

    def run(self, trials: int) -> float:
        """Every worker runs so many trials; mean seconds of processor time for each."""
        for end in self._ends:
            end.send(trials)
        return statistics.mean(end.recv() for end in self._ends)

    def end(self) -> None:
        """Lets them end."""
        for end in self._ends:
            end.send(0)
        for process in self._processes:
            process.join()


def main() -> None:
    """Prints a row for every size."""
    options = parse_arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    where = "PostgreSQL" if options.storage else "SQLite"
    print(
        f"{where}, controller {options.controller}, {options.workers} worker(s), "
        "ms of processor time per trial: median (range)"
    )
    heads = "".join(f"{kind:>24}" for kind in options.kinds)
    print(f"{'trials':>8}{heads}   opening, s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_table(folder / "table.npz")
        for size in options.sizes:
            subjects = {
                kind: Workers(make_study(kind, folder, size, options), options.workers)
                for kind in options.kinds
            }
            seconds: dict[str, list[float]] = {kind: [] for kind in subjects}
            for _ in range(options.rounds):
                for kind, subject in subjects.items():
                    seconds[kind].append(1e3 * subject.run(options.trials))
            for subject in subjects.values():
                subject.end()
            told = "".join(
                f"{f'{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})':>24}"
                for found in seconds.values()
            )
            opening = ", ".join(f"{subject.opening:.1f}" for subject in subjects.values())
            print(f"{size:>8}{told}   {opening}", flush=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--sizes", nargs="+", type=int, default=[100, 5000, 10000])
    add("--storage", help="URL of a database; default: SQLite")
    add("--controller", default="random")
    add("--kinds", nargs="+", default=["ours", "optuna"], choices=["ours", "optuna"])
    add("--workers", type=int, default=1, help="processes that run trials at the same time")
    add("--trials", type=int, default=10, help="of a round (default 10)")
    add("--rounds", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
