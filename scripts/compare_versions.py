"""Checks that two versions of the toolkit compute the same, bit for bit, and write the same files.

    python scripts/compare_versions.py --old ../before --new .

Each checkout runs the same tiny searches, trainings, distillations and retrainings by its command
line, on one thread, from an empty folder: `made/` in the report. Then both go on from a copy of
what the old one made, `reopened/`: they read, resume and retrain it, learn from it, and complete
what was interrupted. Compared are studies, configurations, weights, metrics, logs, ONNX files, keys
of caches and what commands print that read a run. What depends on the moment is left out, such as
times.

Both versions run on the same machine, as processors round differently. Every difference is a line
``path: old -> new``, and the exit code is then 1. ``--allow`` takes a pattern for the paths of
figures that had to move, for example ``--allow "*/segmentation/study.db/*/attributes/costs/*"``.
With ``--work`` the folders are kept, and what the old version did there before is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from compared_commands import GOING_ON, MAKING, Command, files_text, write_files
from compared_contents import Contents, contents, trials

RUNNER = Path(__file__).with_name("command_runner.py")
OLD, NEW = "old", "new"
COMMANDS, DONE = "commands.lst", "done.lst"
_IGNORED_LINES = re.compile(r"^(time per candidate|host) ")


def main() -> int:
    """Runs both versions and prints what differs."""
    options = _options()
    checkouts = {OLD: options.old.resolve(), NEW: options.new.resolve()}
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        made, reopened = work / "made", work / "reopened"
        _run(checkouts, made, MAKING, write_files)
        _run(checkouts, reopened, GOING_ON, partial(_copy, made / OLD))
        before = {version: _observed(made / version, MAKING) for version in checkouts}
        after = {version: _observed(reopened / version, GOING_ON) for version in checkouts}
        differences = [
            *_differences("made", before),
            *_differences("reopened", after),
            *_interrupted(reopened / NEW),
        ]
    seen = [line for path, line in differences if not _allowed(path, options.allow)]
    print(*seen, sep="\n", end="\n" if seen else "")
    allowed = len(differences) - len(seen)
    compared = len(before[OLD]) + len(after[OLD])
    print(f"{compared} values compared: {len(seen)} differ, {allowed} more were allowed to.")
    return 1 if seen else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--old", type=Path, required=True, help="checkout of the version before")
    parser.add_argument("--new", type=Path, required=True, help="checkout of the version after")
    parser.add_argument(
        "--work",
        type=Path,
        help="folder to keep: what the old version did there before is not done again",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PATTERN",
        help="path whose values may differ, with * and ?; repeat it for several",
    )
    return parser.parse_args()


def _run(
    checkouts: Mapping[str, Path],
    folder: Path,
    commands: Sequence[Command],
    prepare: Callable[[Path], None],
) -> None:
    """Lets both versions run the commands side by side, each in a folder that was prepared.

    Raises:
        SystemExit: If a command of the old version does not end as it ought to.
    """
    listed = json.dumps([asdict(command) for command in commands])
    running = []
    for version, checkout in checkouts.items():
        own = folder / version
        task = f"{checkout}\n{listed}\n{files_text()}"
        if version == OLD and _done(own, commands, task):
            continue
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        prepare(own)
        (own / COMMANDS).write_text(listed, encoding="utf-8")
        running.append(_start(checkout, own))
        (own / DONE).write_text(task, encoding="utf-8")
    try:
        codes = [process.wait() for process in running]
    finally:
        for process in running:
            process.terminate()
    if any(codes):
        raise SystemExit("the commands could not be run.")
    for command in commands:
        if _code(folder / OLD, command) != command.code:
            printed = _printed(folder / OLD, command)
            raise SystemExit(f"{checkouts[OLD]}: nas {' '.join(command.arguments)}\n{printed}")


def _done(folder: Path, commands: Sequence[Command], task: str) -> bool:
    """Whether an earlier comparison has run the same commands of the same checkout to their end."""
    known, last = folder / DONE, folder / "output" / f"{commands[-1].name}.code"
    return known.exists() and known.read_text(encoding="utf-8") == task and last.exists()


def _start(checkout: Path, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "NAS_CACHE": str(folder / "user-cache"),
        "COLUMNS": "160",
    }
    return subprocess.Popen([sys.executable, RUNNER, COMMANDS], cwd=folder, env=environment)


def _copy(source: Path, folder: Path) -> None:
    ignored = shutil.ignore_patterns("output", COMMANDS, DONE)
    shutil.copytree(source, folder, ignore=ignored, dirs_exist_ok=True)


def _printed(folder: Path, command: Command) -> str:
    return (folder / "output" / f"{command.name}.txt").read_text(encoding="utf-8")


def _code(folder: Path, command: Command) -> int:
    return int((folder / "output" / f"{command.name}.code").read_text())


def _observed(folder: Path, commands: Sequence[Command]) -> Contents:
    """What the commands left behind and what they said, but for what was interrupted."""
    found = contents(folder)
    for command in commands:
        if command.interrupt:
            found = {k: v for k, v in found.items() if not k.startswith(f"{command.name}/")}
        found[f"exit/{command.name}"] = str(_code(folder, command))
        if command.reads:
            lines = _printed(folder, command).splitlines()
            kept = (line.rstrip() for line in lines if not _IGNORED_LINES.match(line))
            found |= {f"output/{command.name}/{number:03}": v for number, v in enumerate(kept)}
    return found


def _differences(phase: str, observed: dict[str, Contents]) -> Iterator[tuple[str, str]]:
    """The path of every difference, and a line that tells it."""
    old, new = observed[OLD], observed[NEW]
    for key in sorted({*old, *new}):
        before, after = old.get(key, "absent"), new.get(key, "absent")
        if before != after:
            path = f"{phase}/{key}"
            yield path, f"{path}: {before} -> {after}"


def _interrupted(folder: Path) -> Iterator[tuple[str, str]]:
    """How trials of the search that was interrupted differ from those of the whole one."""
    whole = trials(folder / "whole" / "study.db")
    for number, trial in trials(folder / "interrupted" / "study.db").items():
        if number in whole and trial["state"] == "COMPLETE" and trial != whole[number]:
            path = f"interrupted/{number}"
            yield path, f"{path}: {whole[number]} -> {trial}"


def _allowed(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


if __name__ == "__main__":
    raise SystemExit(main())
