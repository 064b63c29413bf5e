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
import shutil
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from fault_cases import FAULTS, Case


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
        case = Case(folder, fault, workers, options)
        carry_out(case, outcome, options.times)
        outcomes.append(outcome)
        with results.open("a") as file:
            file.write(f"{json.dumps(asdict(outcome))}\n")
        print(outcome, flush=True)
        case.close()
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
