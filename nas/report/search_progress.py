"""Display of the progress of a search, with the time left."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from latency.costs import amount
from nas.controllers.failures import SURPLUS
from nas.controllers.finished import FinishedTrials
from nas.durations import duration
from nas.report.progress import Bars
from nas.searching.places import trials_asked
from nas.searching.records import TrialRecord, record_of

_TOLD_AFTER = 50
"""Candidates beyond the limits in a row have one line for so many of them."""


class SearchProgress(Bars):
    """Shows one line for every finished trial, and a bar in a terminal.

    Use it as a context manager, and call `look` now and then. The bar appears at the first call, as
    a search may first train a teacher.

    Args:
        console: Where to show it; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(
            console,
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._bar: TaskID | None = None
        self._watch = FinishedTrials()
        self._complete = 0
        self._beyond = 0
        self._beyond_in_a_row = 0
        self._first: datetime | None = None
        self._done = 0
        self._best: TrialRecord | None = None
        self._looked = False

    def __enter__(self) -> Self:
        return self

    def look(self, study: optuna.Study) -> None:
        """Shows what has finished since the last call; the first call prints no lines."""
        if self._bar is None:
            self._progress.start()
            self._bar = self._progress.add_task("search", total=None, left="")
        asked = trials_asked(study)
        finished = self._watch.look(study.get_trials(deepcopy=False)).finished
        for record in map(record_of, sorted(finished, key=_end)):
            if record.failure == SURPLUS:
                continue
            told = self._line(record)
            self._count(record)
            if self._looked and told:
                self.say(f"{told}  [{self._complete}/{asked}, {self._left(asked)}]")
        self._looked = True
        self._progress.update(
            self._bar,
            completed=self._complete,
            total=asked,
            left=self._left(asked),
            description=_named(self._best, self._beyond),
        )

    def _line(self, record: TrialRecord) -> str | None:
        """The line of a trial, or None for one of many in a row beyond the limits."""
        before = self._beyond_in_a_row
        if record.state != "pruned":
            self._beyond_in_a_row = 0
            return describe(record) + (f"  after {before} beyond the limits" if before else "")
        self._beyond += 1
        self._beyond_in_a_row += 1
        if self._beyond_in_a_row % _TOLD_AFTER:
            return None
        return f"{self._beyond_in_a_row} in a row beyond the limits, {describe(record)}"

    def _count(self, record: TrialRecord) -> None:
        if not record.is_complete or record.quality is None:
            return
        self._complete += 1
        if self._looked and record.started is not None:
            self._done += 1
            self._first = min(self._first or record.started, record.started)
        # What was cut short or is beyond a limit cannot be the best.
        if (record.stopped is None and not record.beyond) and (
            self._best is None or record.quality > (self._best.quality or 0.0)
        ):
            self._best = record

    def _left(self, asked: int) -> str:
        if self._first is None:
            return "time left unknown"
        # From the first trial on: checks, teacher and caches come before it and only once.
        elapsed = (datetime.now() - self._first).total_seconds()
        return f"{duration(elapsed / self._done * (asked - self._complete))} left"


def describe(record: TrialRecord) -> str:
    """One line about a finished trial."""
    if record.state == "pruned":
        return f"trial {record.number}  beyond the limits: {_beyond(record)}"
    if not record.is_complete or record.quality is None:
        return f"trial {record.number}  failed: {record.failure}"
    costs = "  ".join(f"{name} {amount(name, cost)}" for name, cost in record.costs.items())
    line = f"trial {record.number}  quality {record.quality:.4f}  {costs}"
    if record.repeats is not None:
        return f"{line}  repeats trial {record.repeats}"
    if record.stopped is not None:
        line += f"  cut short at {record.stopped}"
    if record.beyond:
        line += f"  measured beyond the limits: {_beyond(record)}"
    return f"{line}  {duration(record.seconds.get('total', 0.0))}"


def _end(trial: FrozenTrial) -> datetime:
    return trial.datetime_complete or datetime.max


def _beyond(record: TrialRecord) -> str:
    return ", ".join(
        f"{cost} {amount(cost, one.value)} of {amount(cost, one.limit)}"
        for cost, one in record.beyond.items()
    )


def _named(best: TrialRecord | None, beyond: int) -> str:
    name = "search" if best is None else f"best {best.quality:.4f} (trial {best.number})"
    return f"{name}, {beyond} beyond the limits" if beyond else name
