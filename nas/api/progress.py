"""What shows the progress of a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def displays(progress: bool) -> Iterator[tuple[tuple[Any, Any], Any]]:
    """What shows epochs and sentences, and what shows the trials of a search."""
    if not progress:
        yield (lambda *epoch: None, lambda sentence: None), lambda study: None
        return
    from nas.report.progress import EpochProgress
    from nas.report.search_progress import SearchProgress

    with EpochProgress() as epochs, SearchProgress() as trials:
        yield (epochs.show, epochs.say), trials.look
