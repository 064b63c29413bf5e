"""Checks that two versions of the toolkit compute the same, bit for bit, and write the same files.

    python scripts/compare_versions.py --old ../before --new .

Each checkout runs the same tiny searches, trainings, distillations and retrainings by its command
line, on one thread, from an empty folder: `made/` in the report. Then both go on from a copy of
what the old one made, `reopened/`: they read, resume and retrain it, learn from it, and complete
what was interrupted. Compared are studies, configurations, weights, metrics, logs, ONNX files, keys
of caches and what commands print that read a run. What depends on the moment is left out, such as
times.

Both versions run on the same machine, as processors round differently. Differences that are
declared in ``moved.yaml`` are counted, with their reason; ``--moved`` takes another such file.
Every other difference is a line ``path: old -> new``, and the exit code is then 1. With ``--work``
the folders are kept, and what the old checkout did there before is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import yaml
from compared_commands import GOING_ON, MAKING, Command, files_text, write_files
from compared_contents import Contents, contents, trials

RUNNER = Path(__file__).with_name("command_runner.py")
OLD, NEW = "old", "new"
MOVED = Path(__file__).with_name("moved.yaml")
COMMANDS, TASK = "commands.lst", "task.lst"
_IGNORED_LINES = re.compile(r"^(time per candidate|host) ")


@dataclass(frozen=True)
class Phase:
    """What both versions do side by side.

    Attributes:
        folder: Where; each version has a folder of its own in it.
        commands: What they do.
        prepare: Fills a folder with what the commands need.
    """

    folder: Path
    commands: tuple[Command, ...]
    prepare: Callable[[Path], None]


Running = dict[str, subprocess.Popen[bytes]]


def main() -> int:
    """Runs both versions and prints what differs."""
    options = _options()
    moved: dict[str, str] = yaml.safe_load(options.moved.read_text(encoding="utf-8")) or {}
    checkouts = {OLD: options.old.resolve(), NEW: options.new.resolve()}
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        made = Phase(work / "made", MAKING, write_files)
        reopened = Phase(work / "reopened", GOING_ON, partial(_copy, made.folder / OLD))
        _run(checkouts, made, reopened)
        observed = {
            phase.folder.name: {version: _observed(phase, version) for version in checkouts}
            for phase in (made, reopened)
        }
        differences = [
            difference for name in observed for difference in _differences(name, observed[name])
        ]
        differences += _interrupted(reopened.folder / NEW)
    undeclared, declared = sort_out(differences, moved)
    compared = sum(len(contents_of[OLD]) for contents_of in observed.values())
    print(*undeclared, *declared, sep="\n")
    print(f"{compared} values compared: {len(undeclared)} differ without being declared.")
    return 1 if undeclared else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--old", type=Path, required=True, help="checkout of the version before")
    parser.add_argument("--new", type=Path, required=True, help="checkout of the version after")
    parser.add_argument(
        "--work",
        type=Path,
        help="folder to keep: what the old checkout did there before is not done again",
    )
    parser.add_argument(
        "--moved",
        type=Path,
        default=MOVED,
        help="YAML file of what may differ: a pattern of paths, with * and ?, and why",
    )
    return parser.parse_args()


def _run(checkouts: Mapping[str, Path], made: Phase, reopened: Phase) -> None:
    """Lets both versions run the commands of both phases.

    Raises:
        SystemExit: If a command of the old version does not end as it ought to.
    """
    making = _begin(checkouts, made)
    if OLD in making:
        # What it makes is reopened.
        _finish(making)
        making = {}
    going_on = _begin(checkouts, reopened)
    _finish(making)
    _finish(going_on)
    for phase in (made, reopened):
        for command in phase.commands:
            if _code(phase.folder / OLD, command) != command.code:
                line = f"{checkouts[OLD]}: nas {shlex.join(command.arguments)}"
                raise SystemExit(f"{line}\n{_printed(phase.folder / OLD, command)}")


def _begin(checkouts: Mapping[str, Path], phase: Phase) -> Running:
    """Starts what an earlier comparison has not done."""
    running = {}
    listed = json.dumps([asdict(command) for command in phase.commands])
    for version, checkout in checkouts.items():
        folder = phase.folder / version
        task = f"{checkout}\n{listed}\n{files_text()}"
        if version == OLD and _done(folder, phase.commands, task):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        phase.prepare(folder)
        (folder / COMMANDS).write_text(listed, encoding="utf-8")
        (folder / TASK).write_text(task, encoding="utf-8")
        running[version] = _start(checkout, folder)
    return running


def _finish(running: Running) -> None:
    try:
        codes = [process.wait() for process in running.values()]
    finally:
        for process in running.values():
            process.terminate()
    if any(codes):
        raise SystemExit("the commands could not be run.")


def _done(folder: Path, commands: Sequence[Command], task: str) -> bool:
    known, last = folder / TASK, folder / "output" / f"{commands[-1].name}.code"
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
    ignored = shutil.ignore_patterns("output", COMMANDS, TASK)
    shutil.copytree(source, folder, ignore=ignored, dirs_exist_ok=True)


def _printed(folder: Path, command: Command) -> str:
    return (folder / "output" / f"{command.name}.txt").read_text(encoding="utf-8")


def _code(folder: Path, command: Command) -> int:
    return int((folder / "output" / f"{command.name}.code").read_text())


def _observed(phase: Phase, version: str) -> Contents:
    """What the commands left behind and what they said, but for what was interrupted."""
    folder = phase.folder / version
    found = contents(folder)
    for command in phase.commands:
        if command.interrupt:
            found = {k: v for k, v in found.items() if not k.startswith(f"{command.name}/")}
        code, lines = _code(folder, command), _printed(folder, command).splitlines()
        found[f"exit/{command.name}"] = (
            f"{code}" if code == command.code else f"{code}: {lines[-1:]}"
        )
        if command.reads:
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


def sort_out(
    differences: Sequence[tuple[str, str]], moved: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Tells what had to move from what must not.

    Args:
        differences: The path of each, and a line that tells it.
        moved: Why values may differ, by a pattern of their paths; the first that fits counts.

    Returns:
        The lines of differences that are not declared, and one line for each declaration.
    """
    undeclared = []
    count = dict.fromkeys(moved, 0)
    for path, line in differences:
        pattern = next((known for known in moved if fnmatchcase(path, known)), None)
        if pattern is None:
            undeclared.append(line)
        else:
            count[pattern] += 1
    return undeclared, [
        f"{pattern}: {count[pattern]} moved: {why}" for pattern, why in moved.items()
    ]


if __name__ == "__main__":
    raise SystemExit(main())
