"""How far the calibration of a device is."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class CalibrationProgress:
    """A bar for each kind of measurement in a terminal, nothing elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bars: dict[str, int] = {}

    def __enter__(self) -> CalibrationProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """Shows how many are measured."""
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(what, total=total)
        bar = self._progress.tasks[self._bars[what]]
        self._progress.update(bar.id, completed=done)
