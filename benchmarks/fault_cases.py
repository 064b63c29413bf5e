"""Searches of a fault campaign, and the faults that hit them."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fault_databases import PASSWORD, ROOT, Database, Postgresql, Sqlite

# Imported by every process that trains.
CANDIDATES = Path(__file__).resolve().with_name("fault_candidates.py")
DISK_FULL = "disk full"


class Case:
    """One search that is hit by a fault."""

    def __init__(self, folder: Path, fault: str, workers: int, options: argparse.Namespace) -> None:
        self.folder, self.fault, self.workers = folder, fault, workers
        self.asked: int = options.trials
        self.patience: float = options.patience
        self.process: subprocess.Popen[str] | None = None
        folder.mkdir(parents=True)
        self._disk = _small_disk(folder) if fault == DISK_FULL else None
        place = self._disk or folder
        self.run = place / "run"
        self.database: Database = (
            Postgresql(options.postgresql, f"{folder.name}-{time.time_ns()}")
            if options.postgresql
            else Sqlite(place)
        )
        self._complete: dict[int, str] = {}
        self.seconds: float = options.seconds
        self.table = options.folder / "table.npz"

    def close(self) -> None:
        """Takes away everything but its result."""
        if self._disk:
            subprocess.run(["umount", self._disk], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)

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
                "imports": [str(CANDIDATES)],
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
                "NAS_CAMPAIGN_SECONDS": str(self.seconds),
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


def _small_disk(folder: Path) -> Path:
    """A file system of its own that is soon full; only root can mount one."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], check=True)
    return disk


def disk_full(case: Case) -> None:
    """Something else fills the disk of the run folder for five seconds."""
    filler = case.run.with_name("filler")
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    time.sleep(5)
    filler.unlink()


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
    DISK_FULL: disk_full,
    "clock moved": clock_moved,
    **{
        f"candidate: {kind}": ordered(kind)
        for kind in (
            *("raise", "nan", "hang", "hang_swallowing", "allocate", "child", "segfault"),
            *("exit0", "exit2", "exit3", "sys_exit"),
        )
    },
}
