"""What a tracker is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Tracked:
    """A search or a training that is to be tracked.

    Attributes:
        name: What it is called.
        folder: Where a tracker may keep files.
        settings: Its configuration by dotted key, without addresses of databases.
        known_as: What `Tracker.identity` was when it was tracked before, or None.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    known_as: str | None = None


class Tracker(ABC):
    """Shows the course of one search or one training; made when it begins or goes on.

    It runs in the process that was started by the user, alone, so points come once and in order.
    Whatever it raises switches it off, and the search or the training goes on.

    Args:
        tracked: What is tracked.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, tracked: Tracked) -> None: ...

    @property
    def identity(self) -> str | None:
        """How the tracker finds the same run again, or None if the folder suffices."""
        return None

    @abstractmethod
    def point(self, step: int, figures: Mapping[str, float]) -> None:
        """Takes the figures of a trial or of an epoch, from 0, by name."""

    @abstractmethod
    def finish(self, figures: Mapping[str, float]) -> None:
        """Takes the final figures, if there are any, and ends the run."""
