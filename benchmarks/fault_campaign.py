"""Injects faults into searches and counts what they cost: trials, processes, words.

Every case is a search of its own with a tiny evaluator, started as a user starts one, by the
command line. A fault hits it on its way, as often as ``--times`` says; if it ends, it is continued
with ``--resume`` until its number of trials is reached. What was complete before a fault must be
there afterwards, nothing may be counted twice, no process may be left, and whatever ended must have
said why. Linux only. ``--postgresql`` uses a server of its own instead of SQLite files.

The result of a case is a line that is added to a file, and cases that are in it are not run again.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
SERVER = ROOT / "scripts" / "postgresql.sh"
PASSWORD = "only-for-tests"
# Imported by every process that trains: candidates take a while, and one does as it is told.
CANDIDATES = """
import json, math, os, subprocess, sys, time
from pathlib import Path

import numpy as np

from nas.evaluation.table_evaluator import TableEvaluator

HERE = Path(__file__).parent
evaluate = TableEvaluator.evaluate

def misbehave():
    order = HERE / "order.json"
    try:
        kind = json.loads(order.read_text())["kind"]
        # Exactly one candidate takes the order.
        order.rename(HERE / f"taken-{os.getpid()}")
    except (FileNotFoundError, ValueError):
        return
    if kind == "raise":
        raise RuntimeError("as ordered")
    if kind == "exit0":
        os._exit(0)
    if kind == "exit2":
        os._exit(2)
    if kind == "exit3":
        os._exit(3)
    if kind == "sys_exit":
        sys.exit(0)
    if kind == "segfault":
        os.kill(os.getpid(), 11)
    if kind == "hang":
        time.sleep(3600)
    if kind == "hang_swallowing":
        while True:
            try:
                time.sleep(3600)
            except Exception:
                pass
    if kind == "child":
        subprocess.Popen(["sleep", "3601"])
        os._exit(1)
    if kind == "nan":
        return True
    if kind == "allocate":
        held = []
        while True:
            held.append(np.ones(2**21))
            time.sleep(0.01)

def slow(self, genotype, seed, decide=None):
    with (HERE / "trainings").open("a") as file:
        file.write(f"{genotype}\\n")
    time.sleep(SECONDS)
    is_nan = misbehave()
    found = evaluate(self, genotype, seed)
    if is_nan:
        for scores in found.scores.values():
            for name in scores:
                scores[name] = math.nan
    return found

TableEvaluator.evaluate = slow
"""


@dataclass
class Outcome:
    """What a case came to.

    Attributes:
        fault: Its kind.
        workers: Number of workers.
        repeat: Number of the repetition.
        database: "sqlite" or "postgresql".
        faults: How often it was hit.
        lost: Trials that were complete before the fault and are not afterwards.
        twice: Trials beyond the number asked for.
        reached: Whether the number asked for was reached in the end.
        orphans: Processes left behind.
        hung: Whether it had to be killed, as nothing was finished for too long.
        silent: Ends without a sentence.
        resumed: How often it was continued by hand.
        seconds: How long it took.
        words: What was said on standard error.
    """

    fault: str
    workers: int
    repeat: int
    database: str
    faults: int = 0
    lost: int = 0
    twice: int = 0
    reached: bool = False
    orphans: int = 0
    hung: bool = False
    silent: int = 0
    resumed: int = 0
    seconds: float = 0.0
    words: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What tells it apart from the others."""
        return self.fault, self.workers, self.repeat, self.database


class Database:
    """Where the study of a case is kept: looked at and broken not by way of what is tested."""

    url: str

    def rows(self, query: str) -> list[tuple[int, str]]:
        """What a query finds; OSError while the database is away."""
        raise NotImplementedError

    def lock(self, seconds: float) -> None:
        """Keeps everybody else from writing."""
        raise NotImplementedError

    def leave(self, seconds: float) -> None:
        """Goes away for a while."""
        raise NotImplementedError

    def move_clock(self, hours: int) -> None:
        """Changes all heartbeats."""
        raise NotImplementedError


class Sqlite(Database):
    """A file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "storage" / "study.db"
        self._file.parent.mkdir()
        self.url = f"sqlite:///{self._file}"

    def rows(self, query: str) -> list[tuple[int, str]]:
        if not self._file.is_file():
            raise FileNotFoundError(self._file)
        connection = sqlite3.connect(self._file, timeout=5)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def lock(self, seconds: float) -> None:
        connection = sqlite3.connect(self._file, timeout=30)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.rollback()
        connection.close()

    def leave(self, seconds: float) -> None:
        away = self._file.parent.with_name("away")
        self._file.parent.rename(away)
        time.sleep(seconds)
        shutil.rmtree(self._file.parent, ignore_errors=True)
        away.rename(self._file.parent)

    def move_clock(self, hours: int) -> None:
        connection = sqlite3.connect(self._file, timeout=30)
        with connection:
            connection.execute(
                "UPDATE trial_heartbeats SET heartbeat = datetime('now', ?)", (f"{hours} hours",)
            )
        connection.close()


class Postgresql(Database):
    """A database of a server that runs for the campaign."""

    def __init__(self, server: Path, name: str) -> None:
        self._server = server
        base = self._ask("start")
        self._connected(base).execute(f'CREATE DATABASE "{name}"').connection.close()
        self.url = f"{base.rpartition('/')[0]}/{name}"

    def _connected(self, url: str) -> Any:
        import psycopg

        return psycopg.connect(url, password=PASSWORD, autocommit=True, connect_timeout=5)

    def _ask(self, command: str) -> str:
        done = subprocess.run([SERVER, command, self._server], check=True, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    def rows(self, query: str) -> list[tuple[int, str]]:
        import psycopg

        try:
            with self._connected(self.url) as connection:
                # Not behind a lock of ours.
                connection.execute("SET lock_timeout = '2s'")
                return list(connection.execute(query).fetchall())
        except psycopg.Error as error:
            raise OSError(str(error)) from error

    def lock(self, seconds: float) -> None:
        with self._connected(self.url) as connection, connection.transaction():
            connection.execute("LOCK TABLE trials IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)

    def leave(self, seconds: float) -> None:
        self._ask("stop")
        time.sleep(seconds)
        self._ask("start")

    def move_clock(self, hours: int) -> None:
        with self._connected(self.url) as connection:
            connection.execute(
                f"UPDATE trial_heartbeats SET heartbeat = now() + interval '{hours} hours'"
            )


class Case:
    """One search that is hit by a fault."""

    def __init__(self, folder: Path, fault: str, workers: int, options: argparse.Namespace) -> None:
        self.folder, self.fault, self.workers = folder, fault, workers
        self.asked: int = options.trials
        self.patience: float = options.patience
        self.run = folder / "run"
        self.process: subprocess.Popen[str] | None = None
        folder.mkdir(parents=True)
        self.database: Database = (
            Postgresql(options.postgresql, f"{folder.name}-{time.time_ns()}")
            if options.postgresql
            else Sqlite(folder)
        )
        self._complete: dict[int, str] = {}
        text = CANDIDATES.replace("SECONDS", str(options.seconds))
        (folder / "candidates.py").write_text(text)
        self.table = options.folder / "table.npz"

    def start(self, resume: bool = False) -> None:
        """Starts the command."""
        command = [sys.executable, "-m", "nas", "search", "--run", str(self.run)]
        if resume and (self.run / "config.yaml").exists():
            command += ["--resume"]
        else:
            command += ["--table", str(self.table), "--controller", "random"]
            command += ["--trials", str(self.asked), "--workers", str(self.workers)]
            command += ["--storage", self.database.url]
            settings = {
                "imports": [str(self.folder / "candidates.py")],
                "heartbeat": 1,
                "dataset": "shapes",
                "candidate": {"seconds": 10.0, "memory": 2 * 2**30},
            }
            for key, value in settings.items():
                command += ["--set", f"{key}={json.dumps(value)}"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "stderr").open("a"),
            text=True,
            start_new_session=True,
            env={
                **os.environ,
                "NAS_CAMPAIGN": str(self.folder),
                "NAS_CACHE": str(self.folder / "cache"),
                "NAS_STORAGE_PASSWORD": PASSWORD,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": str(ROOT),
            },
        )

    def complete(self) -> dict[int, str]:
        """Genotypes of the complete trials by number, as far as the database can be reached."""
        query = (
            "SELECT number, value_json FROM trials JOIN trial_user_attributes "
            "USING (trial_id) WHERE state = 'COMPLETE' AND key = 'genotype'"
        )
        with contextlib.suppress(OSError):
            self._complete = dict(self.database.rows(query))
        return self._complete

    def wait_for(self, number: int) -> bool:
        """Waits until so many trials are complete; False if the search ended or nothing moves."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < self.patience:
            found = len(self.complete())
            if found >= number:
                return True
            if found > last:
                last, since = found, time.monotonic()
            if self.process is None or self.process.poll() is not None:
                return len(self.complete()) >= number
            time.sleep(0.2)
        return False

    def processes(self) -> list[int]:
        """Every process of this case, by its environment."""
        mark = f"NAS_CAMPAIGN={self.folder}".encode()
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in environment.read_bytes().split(b"\0"):
                    found.append(int(environment.parent.name))
        return found

    def workers_of(self) -> list[int]:
        """The processes that train."""
        if self.workers > 1:
            with contextlib.suppress(OSError, ValueError):
                return list(json.loads((self.run / "workers.json").read_text()).values())
            return []
        assert self.process is not None
        return [one for one in self.processes() if one != self.process.pid]


def signalled(number: int, whom: str) -> Callable[[Case], None]:
    """Sends a signal to a worker or to the process that was started."""

    def fault(case: Case) -> None:
        assert case.process is not None
        chosen = case.workers_of() if whom == "worker" else [case.process.pid]
        if chosen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(chosen), number)

    return fault


def stopped_for_a_while(case: Case) -> None:
    """Stops a worker, and lets the only one of a search go on later."""
    workers = case.workers_of()
    if not workers:
        return
    chosen = random.choice(workers)
    with contextlib.suppress(ProcessLookupError):
        os.kill(chosen, signal.SIGSTOP)
        if case.workers == 1:
            time.sleep(10)
            os.kill(chosen, signal.SIGCONT)


def locked_for(seconds: float) -> Callable[[Case], None]:
    """Another program holds the lock of the database."""
    return lambda case: case.database.lock(seconds)


def away_for(seconds: float) -> Callable[[Case], None]:
    """The folder of the database, or its server, is gone for a while."""
    return lambda case: case.database.leave(seconds)


def run_gone(case: Case) -> None:
    """The run folder is gone for five seconds, as a share is that is mounted again."""
    away = case.run.with_name("run-away")
    case.run.rename(away)
    time.sleep(5)
    shutil.rmtree(case.run, ignore_errors=True)
    away.rename(case.run)


def clock_moved(case: Case) -> None:
    """Heartbeats as a host writes them whose clock is two hours off."""
    for hours in (2, -2):
        case.database.move_clock(hours)
        time.sleep(1)


def ordered(kind: str) -> Callable[[Case], None]:
    """One candidate does something."""

    def fault(case: Case) -> None:
        temporary = case.folder / "order.tmp"
        temporary.write_text(json.dumps({"kind": kind}))
        temporary.rename(case.folder / "order.json")

    return fault


FAULTS: dict[str, Callable[[Case], None]] = {
    "SIGKILL worker": signalled(signal.SIGKILL, "worker"),
    "SIGTERM worker": signalled(signal.SIGTERM, "worker"),
    "SIGSTOP worker": stopped_for_a_while,
    "SIGKILL parent": signalled(signal.SIGKILL, "parent"),
    "SIGTERM parent": signalled(signal.SIGTERM, "parent"),
    "SIGHUP parent": signalled(signal.SIGHUP, "parent"),
    "SIGINT parent": signalled(signal.SIGINT, "parent"),
    "locked 5 s": locked_for(5),
    "locked 60 s": locked_for(60),
    "locked 150 s": locked_for(150),
    "away 5 s": away_for(5),
    "away 60 s": away_for(60),
    "run folder gone": run_gone,
    "clock moved": clock_moved,
    **{
        f"candidate: {kind}": ordered(kind)
        for kind in (
            *("raise", "nan", "hang", "hang_swallowing", "allocate", "child", "segfault"),
            *("exit0", "exit2", "exit3", "sys_exit"),
        )
    },
}
# Deaths by SIGKILL of what was started leave nobody who could say anything.
_SPEECHLESS = ("SIGKILL parent",)


def carry_out(case: Case, outcome: Outcome, times: int) -> None:
    """Runs a case to its end and counts."""
    started = time.monotonic()
    case.start()
    before: dict[int, str] = {}
    hung = False
    for time_ in range(1, times + 1):
        hung = not _reaches(case, outcome, max(2, round(case.asked * time_ / (times + 1))))
        if hung:
            break
        before |= case.complete()
        FAULTS[case.fault](case)
        outcome.faults += 1
    hung = hung or not _reaches(case, outcome, case.asked) or not _ended(case)
    outcome.hung = hung
    after = case.complete()
    outcome.lost = sum(after.get(number) != genotype for number, genotype in before.items())
    outcome.twice = max(0, len(after) - case.asked)
    if case.fault == "clock moved":
        # No worker died, so every training was one of the trials asked for.
        trained = (case.folder / "trainings").read_text().splitlines()
        outcome.twice += max(0, len(trained) - case.asked)
    outcome.reached = len(after) >= case.asked
    deadline = time.monotonic() + 30
    while (left := case.processes()) and not hung and time.monotonic() < deadline:
        time.sleep(0.5)
    outcome.orphans = 0 if hung else len(left)
    for process in case.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    outcome.seconds = round(time.monotonic() - started, 1)
    outcome.words = (case.folder / "stderr").read_text().splitlines()[-6:]


def _reaches(case: Case, outcome: Outcome, number: int) -> bool:
    """Waits until so many trials are complete, and continues the search where it ends before.

    Returns:
        False if nothing moves, or it cannot be continued.
    """
    for _ in range(4):
        if case.wait_for(number):
            return True
        assert case.process is not None
        if case.process.poll() is None:
            return False
        outcome.silent += _said_nothing(case) and case.fault not in _SPEECHLESS
        outcome.resumed += 1
        case.start(resume=True)
    return False


def _ended(case: Case) -> bool:
    """Whether the search ended by itself, as long as trials are finished now and then."""
    assert case.process is not None
    last, since = -1, time.monotonic()
    while case.process.poll() is None:
        found = len(case.complete())
        if found > last:
            last, since = found, time.monotonic()
        if time.monotonic() - since > case.patience:
            return False
        time.sleep(0.2)
    return True


def _said_nothing(case: Case) -> bool:
    said = (case.folder / "stderr").read_text()
    seen = case.folder / "seen"
    before = int(seen.read_text()) if seen.exists() else 0
    seen.write_text(str(len(said)))
    return "nas:" not in said[before:]


def make_table(path: Path) -> None:
    """A table of all NAS-Bench-201 cells with made-up accuracies."""
    words = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    cells = list(itertools.product(words, repeat=6))
    large = np.array([cell.count("nor_conv_3x3") for cell in cells], dtype=np.float64)
    form = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    np.savez(
        path,
        arch=[form.format(*cell) for cell in cells],
        params=1000 + 900 * large,
        flops=1e6 * (1 + 9 * large),
        shapes_val12=10 + 10 * large,
    )


def show(outcomes: list[Outcome]) -> None:
    """Prints a row for every fault, and their sums."""
    figures = ("lost", "twice", "not reached", "orphans", "hangs", "silent", "by hand")
    print(f"{'fault':<30}{'searches':>9}{'faults':>7}" + "".join(f"{name:>13}" for name in figures))
    names = [name for name in FAULTS if any(one.fault == name for one in outcomes)]
    for name in [*names, "all"]:
        some = [one for one in outcomes if name in ("all", one.fault)]
        sums = (
            *(sum(one.lost for one in some), sum(one.twice for one in some)),
            *(sum(not one.reached for one in some), sum(one.orphans for one in some)),
            *(sum(one.hung for one in some), sum(one.silent for one in some)),
            sum(one.resumed for one in some),
        )
        hits = sum(one.faults for one in some)
        print(f"{name:<30}{len(some):>9}{hits:>7}" + "".join(f"{one:>13}" for one in sums))


def main() -> None:
    """Runs the cases that are not in the results yet."""
    options = parse_arguments()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    results = options.results or options.folder / "results.jsonl"
    known = results.read_text().splitlines() if results.exists() else []
    outcomes = [Outcome(**json.loads(line)) for line in known]
    if not (options.folder / "table.npz").exists():
        make_table(options.folder / "table.npz")
    kind = "postgresql" if options.postgresql else "sqlite"
    for repeat, fault, workers in itertools.product(
        range(options.repeats), options.faults, options.workers
    ):
        outcome = Outcome(fault, workers, repeat, kind)
        if outcome.key in {one.key for one in outcomes}:
            continue
        name = f"{fault.replace(' ', '-').replace(':', '')}-{workers}-{repeat}"
        folder = options.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        carry_out(Case(folder, fault, workers, options), outcome, options.times)
        outcomes.append(outcome)
        with results.open("a") as file:
            file.write(f"{json.dumps(asdict(outcome))}\n")
        print(outcome, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    show(outcomes)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS), metavar="NAME")
    add("--workers", nargs="+", type=int, default=[1, 2, 4])
    add("--repeats", type=int, default=1, help="cases of each fault and number of workers")
    add("--times", type=int, default=1, help="faults in each search (default 1)")
    add("--trials", type=int, default=12, help="candidates of each search (default 12)")
    add("--seconds", type=float, default=0.5, help="of each candidate (default 0.5)")
    add("--patience", type=float, default=240.0, help="seconds without a trial that are a hang")
    add("--folder", type=Path, default=Path("fault-campaign"), help="where searches run")
    add("--postgresql", type=Path, help="folder of a server to be made, below no private folder")
    add("--results", type=Path, help="default: results.jsonl in --folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
