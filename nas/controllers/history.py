"""The lessons so far, in completion order, and a learner that has learned exactly these."""

from __future__ import annotations

import copy
from bisect import bisect
from collections.abc import Callable, Iterable

from nas.controllers.learner import Learner, Lesson


class History:
    """Keeps a learner at the state that its lessons give in completion order.

    Workers on several machines have clocks that differ, so a lesson can arrive after a later one
    was learned. The learner then goes back to a checkpoint before that point and learns from
    there again. Hence the state never depends on the order of arrival.

    Args:
        new_learner: Makes a learner that has learned nothing.
        interval: Lessons between two checkpoints.
        kept: Number of checkpoints kept, the newest.
    """

    def __init__(
        self, new_learner: Callable[[], Learner], interval: int = 20, kept: int = 3
    ) -> None:
        if interval < 1 or kept < 1:
            raise ValueError(f"interval and kept must be at least 1, got {interval} and {kept}")
        self.learner = new_learner()
        self._new_learner = new_learner
        self._interval = interval
        self._kept = kept
        self._lessons: list[Lesson] = []
        self._checkpoints: list[tuple[int, Learner]] = []

    def __len__(self) -> int:
        """Number of lessons learned."""
        return len(self._lessons)

    def add(self, lessons: Iterable[Lesson]) -> None:
        """Learns new lessons, given in any order."""
        fresh = sorted(lessons)
        if not fresh:
            return
        position = bisect(self._lessons, fresh[0])
        again = self._rewind(position) if position < len(self._lessons) else []
        for lesson in sorted(again + fresh):
            self._learn(lesson)

    def _learn(self, lesson: Lesson) -> None:
        self.learner.learn(lesson)
        self._lessons.append(lesson)
        if len(self._lessons) % self._interval == 0:
            self._checkpoints.append((len(self._lessons), copy.deepcopy(self.learner)))
            del self._checkpoints[: -self._kept]

    def _rewind(self, position: int) -> list[Lesson]:
        """Goes back to `position` lessons or fewer and returns the lessons that this undid."""
        while self._checkpoints and self._checkpoints[-1][0] > position:
            self._checkpoints.pop()
        if self._checkpoints:
            count, learner = self._checkpoints[-1]
            self.learner = copy.deepcopy(learner)
        else:
            count, self.learner = 0, self._new_learner()
        undone = self._lessons[count:]
        del self._lessons[count:]
        return undone
