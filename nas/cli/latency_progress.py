"""How far the calibration of a device is."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from nas.search.bars import Bars


class CalibrationProgress(Bars):
    """A bar for each kind of measurement in a terminal, nothing elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(
            console,
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bars: dict[str, int] = {}

    def show(self, what: str, done: int, total: int) -> None:
        """Shows how many are measured."""
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(what, total=total)
        bar = self._progress.tasks[self._bars[what]]
        self._progress.update(bar.id, completed=done)
