"""Runs in a folder, and what one of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from nas.errors import UserError
from nas.report.runs import Snapshot, read_snapshot
from nas.searching.databases import without_password
from nas.searching.run_folder import RunFolder
from nas.terminal import visible

_UNITS = ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True)
class RunEntry:
    """A run in a list.

    Attributes:
        path: Its folder.
        date: When it was started.
        trials: Complete trials and those asked for, or why the study cannot be read.
        best: The highest quality, or None.
        size: Bytes on the disk.
    """

    path: Path
    date: str
    trials: str
    best: float | None
    size: int


def runs_in(folder: Path) -> list[RunEntry]:
    """The searches in a folder, the latest first; nothing is written, and no server is asked.

    Raises:
        UserError: If there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name the one that holds runs.")
    entries = [_entry(RunFolder(path.parent)) for path in folder.glob("*/run.json")]
    return sorted(entries, key=lambda entry: entry.date, reverse=True)


def _entry(run: RunFolder) -> RunEntry:
    date, best = "", None
    try:
        date = str(run.info().get("date", ""))
        found = read_snapshot(run)
        trials = f"{len(found.complete)} of {found.asked}"
        best = _best(found)
    except UserError as error:
        trials = str(error).removeprefix(f"{run.path}: ")
    return RunEntry(run.path, date, trials, best, disk_use(run.path))


def _best(found: Snapshot) -> float | None:
    qualities = [record.quality for record in found.complete if record.void is None]
    return max((quality for quality in qualities if quality is not None), default=None)


def disk_use(path: Path) -> int:
    """Bytes of the files in a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(disk_use(inner) for inner in path.iterdir())


def run_list(entries: Sequence[RunEntry]) -> Table:
    """The runs as a table."""
    table = Table()
    for name in ("run", "started", "complete trials", "best quality", "size"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        best = "-" if entry.best is None else f"{entry.best:.4f}"
        table.add_row(
            Text(visible(entry.path)),
            entry.date[:10],
            Text(visible(entry.trials)),
            best,
            size(entry.size),
        )
    return table


def run_facts(run: RunFolder) -> Table:
    """What a run is, what it holds and what that takes on the disk.

    Raises:
        UserError: If its study cannot be read.
    """
    found, info, config = read_snapshot(run), run.info(), run.config()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    versions = info.get("versions", {})
    storage = "study.db" if config.storage is None else without_password(config.storage)
    facts = {
        "started": f"{info.get('date', '')} on {info.get('host', '')}",
        "commit": str(info.get("commit") or "unknown"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "study": f"{found.study} in {storage}",
        "space": config.space.name,
        "controller": config.controller.name,
        "trials": f"{len(found.complete)} of {found.asked} complete",
    }
    for record in found.complete:
        if record.void is not None:
            facts[f"void: trial {record.number}"] = record.void
    for part in sorted(run.path.iterdir()):
        facts[f"size of {part.name}"] = size(disk_use(part))
    for name, value in facts.items():
        table.add_row(name, Text(visible(value)))
    return table


def size(count: int) -> str:
    """A number of bytes as people read it, for example "1.5 MB"."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"
