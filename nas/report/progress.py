"""Displays of progress: bars in a terminal, log lines elsewhere.

This module is light: commands show progress before they import what takes seconds.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import fmean
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from nas.durations import duration
from nas.long_steps import told_to
from nas.terminal import plain_console, visible

if TYPE_CHECKING:
    from nas.training.trainer import EpochRecord


class Bars:
    """Bars in a terminal, and lines anywhere; to be used as a context manager.

    Args:
        console: Where to show them; standard output by default.
        columns: The columns of a bar.
    """

    def __init__(self, console: Console | None, *columns: ProgressColumn) -> None:
        self._console = console or plain_console()
        self._progress = Progress(
            *columns, console=self._console, disable=not self._console.is_terminal
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bars, with the time of day where there is no terminal."""
        stamp = "" if self._console.is_terminal else time.strftime("%H:%M:%S ")
        self._console.print(visible(stamp + line), markup=False, highlight=False, soft_wrap=True)


class EpochProgress(Bars):
    """Shows each training by the epoch, with the time left, and tells of other long steps."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(
            console,
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
        )
        self._bars: dict[str, TaskID] = {}
        self._seconds: dict[str, list[float]] = {}
        self._listening = ExitStack()

    def __enter__(self) -> Self:
        self._listening.enter_context(told_to(self.say))
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._listening.close()

    def show(self, what: str, record: EpochRecord, epochs: int) -> None:
        """Shows an epoch of the training that is named `what`."""
        taken = self._seconds.setdefault(what, [])
        taken.append(record.seconds)
        left = fmean(taken) * (epochs - record.epoch - 1)
        figures = f"loss {record.loss:.4f}"
        if record.score != record.loss:
            name = "validation loss" if record.monitor == "loss" else record.monitor
            figures += f"  {name.replace('_', ' ')} {record.score:.4f}"
        state = f"{figures}  {duration(left)} left"
        if self._console.is_terminal:
            if what not in self._bars:
                self._bars[what] = self._progress.add_task(what, total=epochs, state="")
            self._progress.update(self._bars[what], completed=record.epoch + 1, state=state)
        else:
            self.say(f"{what}  epoch {record.epoch + 1}/{epochs}  {state}")


class CalibrationProgress(Bars):
    """Shows how far the calibration of a device is: a bar for each kind of measurement."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(
            console,
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bars: dict[str, TaskID] = {}

    def show(self, what: str, done: int, total: int) -> None:
        """Shows how many measurements of a kind are done."""
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._bars[what], completed=done)
