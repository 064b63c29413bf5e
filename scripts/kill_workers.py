"""Kills workers of a real search at random moments, and checks that nothing is lost or doubled.

    python scripts/kill_workers.py --kills 20 -- --task faces --trials 40 --run runs/kills

What follows ``--`` goes to ``nas search``; ``--workers 2`` is added unless it is there. Exit code
0: all that was finished was kept, no trial was counted twice, and the number asked for is reached.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from nas.controllers.failures import LOST
from nas.errors import UserError
from nas.searching.records import TrialRecord, complete_records, read_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

Kept = dict[int, TrialRecord]


def main() -> int:
    """Runs the search, kills its workers, and prints what came of it."""
    options = _options()
    arguments = [argument for argument in options.search if argument != "--"]
    if "--workers" not in arguments:
        arguments += ["--workers", "2"]
    run = RunFolder(Path(arguments[arguments.index("--run") + 1]))
    search = subprocess.Popen([sys.executable, "-m", "nas", "search", *arguments])
    rng = random.Random(options.seed)
    kept: Kept = {}
    problems: list[str] = []
    kills = 0
    while kills < options.kills and search.poll() is None:
        time.sleep(rng.uniform(0.2, 1.8) * options.pause)
        kept = _finished(run, kept, problems)
        if kept and _kill_one(run, rng):
            kills += 1
            print(f"kill {kills} of {options.kills}, {len(kept)} trials complete", flush=True)
    code = search.wait()
    kept = _finished(run, kept, problems)
    problems += _judge(run, kills, options.kills, code)
    print("FAILED: " + "; ".join(problems) if problems else "passed")
    return 1 if problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=20, help="number of SIGKILLs")
    parser.add_argument("--pause", type=float, default=10.0, help="mean seconds between two kills")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments and the victims")
    parser.add_argument("search", nargs=argparse.REMAINDER, help="arguments of nas search")
    options = parser.parse_args()
    if "--run" not in options.search:
        parser.error("the search needs --run FOLDER")
    return options


def _finished(run: RunFolder, before: Kept, problems: list[str]) -> Kept:
    """The complete trials; notes every earlier one that is missing or differs."""
    try:
        now = {record.number: record for record in complete_records(read_study(run))}
    except UserError:
        # The search has not made its study yet.
        return before
    for number, record in before.items():
        if now.get(number) != record:
            problems.append(f"trial {number} was complete and is now {now.get(number)}")
    return now


def _kill_one(run: RunFolder, rng: random.Random) -> bool:
    pids = list(json.loads((run.path / "workers.json").read_text()).values())
    try:
        os.kill(rng.choice(pids), signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        return False
    return True


def _judge(run: RunFolder, kills: int, wanted: int, code: int) -> list[str]:
    study = read_study(run)
    records = read_records(study)
    complete = [record for record in records if record.is_complete]
    asked = study.user_attrs["trials"]
    trained = Counter(r.canonical_key for r in complete if r.repeats is None)
    doubled = [key for key, count in trained.items() if count > 1]
    states = dict(Counter(record.state for record in records))
    lost = sum(record.failure == LOST for record in records)
    print(f"exit code {code}; {kills} kills; asked for {asked}; states {states}; lost {lost}")
    problems = []
    if code != 0:
        problems.append(f"the search ended with exit code {code}")
    if kills < wanted:
        problems.append(f"the search ended after {kills} of {wanted} kills; ask for more trials")
    if len(complete) != asked:
        problems.append(f"{len(complete)} trials are complete, {asked} were asked for")
    if states.get("running"):
        problems.append(f"{states['running']} trials are still running")
    if doubled:
        problems.append(f"trained twice: {', '.join(doubled)}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
