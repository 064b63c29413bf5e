"""What a controller learns from, what it proposes, and the algorithm between the two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

import numpy as np

from nas.settings import Settings


@dataclass(frozen=True, order=True)
class Lesson:
    """A finished trial, reduced to what a controller learns from; ordered by completion.

    Args:
        completed: When the trial finished.
        number: The trial's number; it breaks ties of time.
        choices: Index of the option taken, one per decision.
        reward: The trial's reward, finite.
        values: The trial's objectives: the quality, to be maximised, then every penalised cost, to
            be minimised; empty for a learner that is told the reward alone.
        log_prob: Natural log-probability of the choices under the policy that drew them; None
            for a trial that no policy drew (enqueued, or made by another sampler).
        excess: How far the candidate is beyond the limits of the search, as the sum of the natural
            logarithms of cost / limit; 0 for one within. Beyond them, the reward is 0 and there
            are no values.
    """

    completed: datetime
    number: int
    choices: tuple[int, ...] = field(compare=False)
    reward: float = field(compare=False)
    log_prob: float | None = field(compare=False, default=None)
    values: tuple[float, ...] = field(compare=False, default=())
    excess: float = field(compare=False, default=0.0)

    @property
    def within_limits(self) -> bool:
        """False for a candidate that is of no use, however good it may be."""
        return self.excess == 0


@dataclass(frozen=True)
class Draw:
    """A proposed candidate.

    Args:
        choices: Index of the option taken, one per decision.
        log_prob: Log-probability of the choices, or None where the algorithm has none.
    """

    choices: tuple[int, ...]
    log_prob: float | None = None


class Learner(ABC):
    """The algorithm of a controller.

    Its state must be a function of its constructor's arguments and of the lessons so far, and
    `copy.deepcopy` must copy it: late lessons are put in their place by going back to a copy.

    A learner that is registered is made from the search space, the seed of the study and its
    settings, in this order.

    Attributes:
        settings: The model of its settings.
    """

    settings: ClassVar[type[Settings]] = Settings

    @abstractmethod
    def learn(self, lesson: Lesson) -> None:
        """Takes in the next finished trial."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Draw:
        """Proposes a candidate without changing the state; `rng` is the only randomness."""

    def draw_beside(self, running: Sequence[tuple[int, ...]], rng: np.random.Generator) -> Draw:
        """As `draw`, while other candidates are being tried.

        A learner whose proposals are much alike for all generators leaves these out: a worker
        that repeats a network has to wait for the other one.

        Args:
            running: Choices of the candidates that other workers try at this moment.
            rng: The only randomness.
        """
        return self.draw(rng)
