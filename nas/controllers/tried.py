"""What a controller knows of the candidates that were tried."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, KeysView

import numpy as np
from numpy.typing import NDArray

from nas.controllers.learner import Lesson
from nas.controllers.neighbours import Choices


class Tried:
    """The different networks that were tried, with their mean rewards."""

    def __init__(self) -> None:
        self._places: dict[Hashable, int] = {}
        self._choices: list[tuple[int, ...]] = []
        self._rewards: list[float] = []
        self._counts: list[int] = []

    def __deepcopy__(self, memo: dict[int, object]) -> Tried:
        # Element by element, copies of many thousand trials would take longer than learning.
        other = Tried()
        other._places = dict(self._places)
        other._choices = list(self._choices)
        other._rewards = list(self._rewards)
        other._counts = list(self._counts)
        return other

    def __len__(self) -> int:
        """Number of different networks."""
        return len(self._choices)

    def add(self, network: Hashable, lesson: Lesson) -> None:
        """Takes in a trial that built this network."""
        place = self._places.setdefault(network, len(self._choices))
        if place == len(self._choices):
            self._choices.append(lesson.choices)
            self._rewards.append(lesson.reward)
            self._counts.append(1)
            return
        self._counts[place] += 1
        self._rewards[place] += (lesson.reward - self._rewards[place]) / self._counts[place]

    @property
    def networks(self) -> KeysView[Hashable]:
        """The networks, in the order in which they were first tried."""
        return self._places.keys()

    def choices(self, places: Iterable[int]) -> Choices:
        """The choices that first built some networks, of shape (networks, decisions)."""
        return np.array([self._choices[place] for place in places], dtype=np.int64)

    @property
    def rewards(self) -> NDArray[np.float64]:
        """The mean reward of each network, of shape (networks,)."""
        return np.array(self._rewards)

    def ranked(self) -> NDArray[np.int64]:
        """Places of the networks, the best first; the earlier of equals first."""
        order: NDArray[np.int64] = np.argsort(-self.rewards, kind="stable")
        return order
