"""Which trained candidates are on the front of a search so far."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials
from nas.controllers.sampler import BEYOND

Values = tuple[float, ...]
"""The quality, to be maximised, then the penalised costs, to be minimised."""


class Finalists:
    """The front of the finished trials; each of them is looked at once.

    Trials that were cut short, and those beyond a limit of the search, are not on it. With the
    quality alone, the front is the best trial.
    """

    def __init__(self) -> None:
        self._watch = FinishedTrials()
        self._front: list[Values] = []

    def would_be_one(self, values: Values, trials: Sequence[FrozenTrial]) -> bool:
        """True if no finished trial dominates these values.

        Args:
            values: Of a candidate that is trained to its end.
            trials: All trials of the study.
        """
        for trial in self._watch.look(trials).finished:
            if _counts(trial):
                self._add(tuple(trial.values))
        return not any(dominates(other, values) for other in self._front)

    def _add(self, values: Values) -> None:
        if any(dominates(other, values) or other == values for other in self._front):
            return
        self._front = [other for other in self._front if not dominates(values, other)]
        self._front.append(values)


def dominates(one: Values, other: Values) -> bool:
    """True if one is at least as good as the other in everything and better in something."""
    (quality, *costs), (other_quality, *other_costs) = one, other
    no_worse = all(cost <= rival for cost, rival in zip(costs, other_costs, strict=True))
    return quality >= other_quality and no_worse and one != other


def _counts(trial: FrozenTrial) -> bool:
    known = trial.user_attrs
    return trial.state == TrialState.COMPLETE and not known.get("stopped") and BEYOND not in known
