"""What every display of progress does."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn


class Bars:
    """Bars in a terminal, and lines anywhere; to be used as a context manager.

    Args:
        console: Where to show them; the standard output unless given.
        columns: What a bar is made of.
    """

    def __init__(self, console: Console | None, *columns: ProgressColumn) -> None:
        self._console = console or Console()
        self._progress = Progress(
            *columns, console=self._console, disable=not self._console.is_terminal
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bars; with the time of day where there is no terminal."""
        stamp = "" if self._console.is_terminal else time.strftime("%H:%M:%S ")
        self._console.print(stamp + line, markup=False, highlight=False, soft_wrap=True)
