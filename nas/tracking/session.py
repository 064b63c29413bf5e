"""The trackers of one search or training, none of which can end it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from nas.errors import UserError
from nas.files import read_json, write_json
from nas.terminal import say as say_in_terminal
from nas.tracking.registry import find
from nas.tracking.tracker import Tracked, Tracker
from nas.training.trainer import EpochRecord

OnEpoch = Callable[[str, EpochRecord, int], None]
"""Told (name of the stage, the epoch, its number of epochs)."""
FOLDER = "trackers"
"""Of the trackers in that of a run: their files, and in `_STATE` what each knows the run by and the
points that it has."""
_STATE = "state.json"


def check(names: Iterable[str]) -> None:
    """Refuses trackers that are unknown, or whose packages are not installed.

    Raises:
        UserError: With the reason.
    """
    for name in names:
        find(name)


class Tracking:
    """Gives points to trackers, each once; to be used as a context manager.

    A tracker that fails is told in a sentence and left out from then on.

    Args:
        names: Of the trackers; those without any do nothing.
        title: What is tracked is called.
        folder: Of the run. What a former process has told the trackers is known there.
        settings: Configuration by dotted key.
        say: Told of trackers that fail.

    Raises:
        UserError: If there is no such tracker, or its package is not installed.
    """

    def __init__(
        self,
        names: Iterable[str],
        title: str,
        folder: Path,
        settings: Mapping[str, Any],
        say: Callable[[str], None] = say_in_terminal,
    ) -> None:
        classes = {name: find(name) for name in dict.fromkeys(names)}
        place = folder / FOLDER
        self._path, self._say = place / _STATE, say
        self._state: dict[str, Any] = self._known() if classes else {}
        self._trackers: dict[str, Tracker] = {}
        for name, tracker in classes.items():
            state = self._state.setdefault(name, {"run": None, "points": []})
            tracked = Tracked(title, place, settings, state["run"])
            self._guarded(name, partial(self._begin, name, tracker, tracked))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.finish({})

    def point(self, step: int, figures: Mapping[str, float], of: str = "") -> None:
        """Gives figures to every tracker that does not have those of this step yet.

        Args:
            step: Number of the trial or the epoch, from 0.
            figures: By name; what is no finite number is left out.
            of: The part of a run that the step counts, such as a stage; it begins the names.
        """
        point = [of, step]
        named = {f"{of}/{key}" if of else key: value for key, value in _finite(figures).items()}
        for name, tracker in list(self._trackers.items()):
            points = self._state[name]["points"]
            if point not in points:
                # Before it is given: a point that is missing after a kill misleads nobody.
                points.append(point)
                self._guarded(name, self._save)
                self._guarded(name, partial(tracker.point, step, named))

    def beside(self, on_epoch: OnEpoch, staged: bool = False) -> OnEpoch:
        """A listener to the epochs of a training that tells another one, then the trackers.

        Args:
            on_epoch: The other one.
            staged: Whether the training has several stages, whose epochs are counted anew.
        """

        def listen(stage: str, record: EpochRecord, epochs: int) -> None:
            on_epoch(stage, record, epochs)
            figures = {"train_loss": record.loss, record.monitor: record.score, **record.scores}
            self.point(record.epoch, figures, of=stage if staged else "")

        return listen

    def finish(self, figures: Mapping[str, float]) -> None:
        """Gives the final figures to every tracker, and ends its run."""
        for name, tracker in list(self._trackers.items()):
            self._guarded(name, partial(tracker.finish, _finite(figures)))
        self._trackers.clear()

    def _begin(self, name: str, cls: type[Tracker], tracked: Tracked) -> None:
        tracked.folder.mkdir(parents=True, exist_ok=True)
        tracker = self._trackers[name] = cls(tracked)
        self._state[name]["run"] = tracker.identity
        self._save()

    def _guarded(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001
            # Servers, disks and other people's packages fail in every way, and none of it is worth
            # a search.
            self._trackers.pop(name, None)
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._say(f"the tracker {name} fails and is left out from here on ({reason})")

    def _known(self) -> dict[str, Any]:
        if not self._path.is_file():
            return {}
        try:
            found: dict[str, Any] = read_json(self._path)
        except UserError as error:
            self._say(f"trackers begin anew: {error}")
            return {}
        return found

    def _save(self) -> None:
        write_json(self._path, self._state)


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in figures.items() if math.isfinite(value)}
