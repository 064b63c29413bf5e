"""Trials per second of a search whose candidates sleep for a second, by the number of workers.

Searches on a table are started by the command line. The rate is that of the candidates that slept,
in the middle of a search: those that are known already are answered at once, workers start one
after the other, and the last ones have nothing left to do. The processor time is that of everything
the command started, over all of its trials. ``--postgresql`` uses a server of its own instead of a
SQLite file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from fault_campaign import make_table
from fault_databases import PASSWORD, ROOT, SERVER

from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

CANDIDATES = """
import time
from nas.evaluation.table_evaluator import TableEvaluator

evaluate = TableEvaluator.evaluate

def slow(self, genotype, seed, decide=None):
    time.sleep(SECONDS)
    return evaluate(self, genotype, seed)

TableEvaluator.evaluate = slow
"""


def measure(folder: Path, workers: int, storage: str | None, options: argparse.Namespace) -> str:
    """Runs a search; returns its row."""
    run = folder / f"run-{workers}"
    trials = workers * (1 + options.rounds)
    settings = {"imports": [str(folder / "candidates.py")], "dataset": "shapes"}
    command = [sys.executable, "-m", "nas", "search", "--table", str(folder / "table.npz")]
    command += ["--run", str(run), "--trials", str(trials), "--workers", str(workers)]
    command += ["--controller", "random", *(["--storage", storage] if storage else [])]
    for key, value in settings.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = read_study(RunFolder.open(run)).get_trials(deepcopy=False)
    times = [(one.datetime_start, one.datetime_complete) for one in found]
    ends = sorted(
        end.timestamp()
        for start, end in times
        if start and end and (end - start).total_seconds() >= options.seconds
    )
    middle = ends[2 * workers : len(ends) - workers]
    rate = (len(middle) - 1) / (middle[-1] - middle[0])
    return f"{workers:>8}{rate:>12.2f}{rate * options.seconds / workers:>12.2f}{spent:>12.1f}"


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "NAS_STORAGE_PASSWORD": PASSWORD,
    }


def main() -> None:
    """Prints a row for every number of workers."""
    options = parse_arguments()
    # A run that names a database is read here, too.
    os.environ["NAS_STORAGE_PASSWORD"] = PASSWORD
    storage = None
    if options.postgresql:
        done = subprocess.run(
            [SERVER, "start", options.postgresql], check=True, stdout=subprocess.PIPE
        )
        storage = done.stdout.decode().strip()
    print(f"{'workers':>8}{'trials/s':>12}{'of ideal':>12}{'CPU s':>12}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_table(folder / "table.npz")
        text = CANDIDATES.replace("SECONDS", str(options.seconds))
        (folder / "candidates.py").write_text(text)
        for workers in options.workers:
            print(measure(folder, workers, storage, options), flush=True)
    if options.postgresql:
        subprocess.run([SERVER, "stop", options.postgresql], check=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--workers", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    add("--seconds", type=float, default=1.0, help="of each candidate (default 1)")
    add("--rounds", type=int, default=20, help="trials of each worker after its first")
    add("--postgresql", type=Path, help="folder of a server to be made, below no private folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
