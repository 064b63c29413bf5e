"""Progress of a training, by the epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn

from nas.search.bars import Bars

if TYPE_CHECKING:
    from nas.training.trainer import EpochRecord


class EpochProgress(Bars):
    """A bar for each training in a terminal, log lines elsewhere; both tell the time left."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(
            console,
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
        )
        self._bars: dict[str, TaskID] = {}
        self._started: dict[str, tuple[float, int]] = {}
        self._entered = time.monotonic()

    def show(self, what: str, record: EpochRecord, epochs: int) -> None:
        """Shows an epoch of a training that is named `what`."""
        from nas.search.progress import duration

        started, first = self._started.setdefault(what, (self._entered, record.epoch))
        done = record.epoch + 1 - first
        left = (time.monotonic() - started) / done * (epochs - record.epoch - 1)
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
        if record.epoch + 1 == epochs:
            self._entered = time.monotonic()
