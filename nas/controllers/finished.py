"""Which trials have finished, without looking at all of them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Look:
    """What has changed in a study.

    Attributes:
        finished: Trials that have finished since the look before, in the order of their numbers.
        unfinished: Trials that wait or run, in the order of their numbers.
    """

    finished: list[FrozenTrial]
    unfinished: list[FrozenTrial]


class FinishedTrials:
    """Looks at a study again and again, each time at what can have changed alone.

    A finished trial never changes and a study never loses one, so that a look costs as much in a
    study of thousands of trials as in one of ten.
    """

    def __init__(self) -> None:
        self._count = 0
        self._unfinished: list[int] = []

    def look(self, trials: Sequence[FrozenTrial]) -> Look:
        """What is new.

        Args:
            trials: All trials of the study, as `Study.get_trials` gives them: the trial of number
                n is at index n.
        """
        open_before = [trials[number] for number in self._unfinished]
        candidates = [*open_before, *trials[self._count :]]
        look = Look(
            [trial for trial in candidates if trial.state.is_finished()],
            [trial for trial in candidates if not trial.state.is_finished()],
        )
        self._count = len(trials)
        self._unfinished = [trial.number for trial in look.unfinished]
        return look
