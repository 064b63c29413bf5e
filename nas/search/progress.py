"""Progress of a search, with the time left."""

from __future__ import annotations

import time
from datetime import datetime
from types import TracebackType

import optuna
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from nas.search.claims import trials_asked
from nas.search.records import SURPLUS, TrialRecord, read_records


class SearchProgress:
    """Shows one line for every finished trial, and a bar where there is a terminal.

    Use it as a context manager, and call `look` now and then.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar = self._progress.add_task("search", total=None, left="")
        self._shown: set[int] | None = None
        self._at_start = 0

    def __enter__(self) -> SearchProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def look(self, study: optuna.Study) -> None:
        """Shows what has finished since the last call; the first call only takes note."""
        records = [r for r in read_records(study) if r.finished and r.failure != SURPLUS]
        complete = [record for record in records if record.is_complete]
        asked = trials_asked(study)
        if self._shown is None:
            self._shown = {record.number for record in records}
            self._at_start = len(complete)
        left = _time_left(complete[self._at_start :], asked - len(complete))
        new = [record for record in records if record.number not in self._shown]
        before = len(complete) - sum(record.is_complete for record in new)
        for record in sorted(new, key=lambda record: record.finished):  # type: ignore
            before += record.is_complete
            self._say(f"{describe(record)}  [{before}/{asked}, {left}]")
            self._shown.add(record.number)
        self._progress.update(
            self._bar, completed=len(complete), total=asked, left=left, description=_best(complete)
        )

    def _say(self, line: str) -> None:
        stamp = "" if self._console.is_terminal else time.strftime("%H:%M:%S ")
        self._console.print(stamp + line, markup=False, highlight=False, soft_wrap=True)


def describe(record: TrialRecord) -> str:
    """One line about a finished trial."""
    if not record.is_complete or record.quality is None:
        return f"trial {record.number}  failed: {record.failure}"
    costs = "  ".join(f"{name} {quantity(cost)}" for name, cost in record.costs.items())
    line = f"trial {record.number}  quality {record.quality:.4f}  {costs}"
    if record.duplicate_of is not None:
        return f"{line}  repeats trial {record.duplicate_of}"
    return f"{line}  {duration(record.seconds.get('total', 0.0))}"


def quantity(value: float) -> str:
    """Three figures and a unit prefix, for example 31.2M."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them, for example "2 min 5 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _best(complete: list[TrialRecord]) -> str:
    judged = [(r.quality, -r.number) for r in complete if r.quality is not None]
    if not judged:
        return "search"
    quality, number = max(judged)
    return f"best {quality:.4f} (trial {-number})"


def _time_left(done: list[TrialRecord], missing: int) -> str:
    starts = [record.started for record in done if record.started]
    if not starts:
        return "time left unknown"
    # Since the first trial, as what comes before it (checks, teacher, caches) does so once.
    elapsed = (datetime.now() - min(starts)).total_seconds()
    return f"{duration(elapsed / len(done) * missing)} left"
