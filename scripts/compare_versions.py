"""Checks that two versions of the toolkit compute the same, bit for bit, and write the same.

    python scripts/compare_versions.py --old ../before --new .

Each checkout runs the same tiny searches, retrainings, trainings and distillations by its command
line, on one thread, from an empty folder (`made/` in the report). Then both go on from a copy of what
the old one made (`reopened/`): they read, resume and retrain it, and complete what was interrupted.
Compared are studies, configurations, weights, metrics, logs, ONNX files, cache keys and what commands
print that read a run; left out is what depends on the moment, such as times and the commit.

Both run on this machine at once, as recorded figures do not travel: processors round differently.
Every difference is a line ``path: old -> new``, and the exit code is then 1. ``--allow`` takes a
pattern for the paths whose figures had to move, for example ``--allow "*/output/*"``.
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
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from compared_commands import GOING_ON, MAKING, Command, write_files
from compared_contents import Contents, contents, trials

RUNNER = Path(__file__).with_name("command_runner.py")
OLD, NEW = "old", "new"
_IGNORED_LINES = re.compile(r"^(time per candidate|host) ")


def main() -> int:
    """Runs both versions and prints what differs."""
    options = _options()
    checkouts = {OLD: options.old.resolve(), NEW: options.new.resolve()}
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        made, reopened = work / "made", work / "reopened"
        for version in checkouts:
            (made / version).mkdir(parents=True)
            write_files(made / version)
        _run(checkouts, made, MAKING)
        for version in checkouts:
            shutil.copytree(made / OLD, reopened / version, ignore=_outputs)
        before = {version: _observed(made / version, MAKING) for version in checkouts}
        _run(checkouts, reopened, GOING_ON)
        after = {version: _observed(reopened / version, GOING_ON) for version in checkouts}
        differences = [
            *_differences("made", before),
            *_differences("reopened", after),
            *_interrupted(reopened / NEW),
        ]
        compared = len(before[OLD]) + len(after[OLD])
    seen = [line for path, line in differences if not _allowed(path, options.allow)]
    print(*seen, sep="\n", end="\n" if seen else "")
    allowed = len(differences) - len(seen)
    print(f"{compared} values compared: {len(seen)} differ, {allowed} more were allowed to.")
    return 1 if seen else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--old", type=Path, required=True, help="checkout of the version before")
    parser.add_argument("--new", type=Path, required=True, help="checkout of the version after")
    parser.add_argument("--work", type=Path, help="folder to make and keep; temporary unless given")
    parser.add_argument(
        *("--allow",),
        **{"action": "append", "default": [], "metavar": "PATTERN"},
        help="path whose values may differ, with * and ?; repeat it for several",
    )
    return parser.parse_args()


def _run(checkouts: dict[str, Path], folder: Path, commands: Sequence[Command]) -> None:
    """Lets both versions run the commands, side by side.

    Raises:
        SystemExit: If a command of the old version does not end as it ought to.
    """
    running = {
        version: _start(checkout, folder / version, commands)
        for version, checkout in checkouts.items()
    }
    for version, process in running.items():
        if process.wait():
            raise SystemExit(f"{checkouts[version]}: its commands could not be run.")
    for command in commands:
        if _code(folder / OLD, command) != command.code:
            printed = _printed(folder / OLD, command)
            raise SystemExit(f"{checkouts[OLD]}: nas {' '.join(command.arguments)}\n{printed}")


def _start(checkout: Path, folder: Path, commands: Sequence[Command]) -> subprocess.Popen[bytes]:
    listed = folder / "commands.lst"
    listed.write_text(
        json.dumps(
            [
                {"name": c.name, "arguments": c.arguments, "interrupt": c.interrupt}
                for c in commands
            ]
        )
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "NAS_CACHE": str(folder / "user-cache"),
        "COLUMNS": "160",
    }
    return subprocess.Popen(
        [sys.executable, str(RUNNER), str(listed)], cwd=folder, env=environment
    )


def _outputs(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("output", "commands.lst")]


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
