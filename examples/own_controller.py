r"""A controller of your own: it changes the best candidate so far in a few decisions.

    nas search --task digits --space mobile --controller examples/own_controller.py:Greedy \
        --set controller.settings.changes=2

The state of a learner must follow from its arguments and the lessons so far, and all that is random
in a proposal from `rng`: so workers share nothing but the study. A sampler of Optuna is a
controller too, for example ``--controller optuna.samplers:GPSampler``.
"""

import numpy as np
from pydantic import Field

from nas import controllers
from nas.controllers import Draw, Learner, Lesson
from nas.settings import Settings
from search_spaces import SearchSpace


class GreedySettings(Settings):
    """How many decisions are drawn anew."""

    changes: int = Field(default=1, ge=1)


@controllers.register("greedy")
class Greedy(Learner):
    """Random until there is a best candidate, then always one beside it."""

    settings = GreedySettings

    def __init__(self, space: SearchSpace, seed: int, settings: GreedySettings) -> None:
        self._options = [len(decision.options) for decision in space.decisions]
        self._changes = min(settings.changes, len(self._options))
        self._best: Lesson | None = None

    def learn(self, lesson: Lesson) -> None:
        if self._best is None or lesson.reward > self._best.reward:
            self._best = lesson

    def draw(self, rng: np.random.Generator) -> Draw:
        choices = [int(rng.integers(number)) for number in self._options]
        if self._best is not None:
            changed = rng.choice(len(choices), self._changes, replace=False).tolist()
            kept = self._best.choices
            choices = [c if place in changed else kept[place] for place, c in enumerate(choices)]
        return Draw(tuple(choices))
