"""Which candidates deserve more effort: decided from the study, whenever a candidate gets there.

At a rung, asynchronous successive halving promotes those among the best so far to further training
(Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020,
https://arxiv.org/abs/1810.05934). At the end of the training, finalists, which are on the front so
far, have their predicted costs measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials
from nas.controllers.sampler import BEYOND
from nas.searching.repeats import REPEATS
from nas.searching.sections import PromotionSettings
from rewards import Reward

RUNGS = "rungs"
"""Attribute of a trial: its quality by rung, in the order of the rungs."""
_NO_TRIAL = -1

Values = tuple[float, ...]
"""The quality, to be maximised, then the penalised costs, to be minimised."""


def is_promoted(reward: float, rivals: Sequence[float], settings: PromotionSettings) -> bool:
    """Whether a candidate is among the best at its rung, and so is trained further.

    Args:
        reward: Its reward at the rung.
        rivals: Rewards of all other candidates that have reached the rung so far.
        settings: What share of them is promoted.
    """
    if len(rivals) < settings.at_once:
        return True
    better = sum(rival > reward for rival in rivals)
    return better < max(1, (len(rivals) + 1) / settings.reduction)


class RewardsSoFar:
    """Rewards by rung; each finished trial is read once.

    Args:
        reward: The reward of the search.
    """

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._watch = FinishedTrials()
        self._finished: dict[str, list[float]] = {}

    def at(self, rung: str, trials: Sequence[FrozenTrial], number: int) -> list[float]:
        """The result of `rewards_at`, in another order.

        Args:
            rung: Name of the rung.
            trials: All trials of the study.
            number: The running trial that is left out.
        """
        look = self._watch.look(trials)
        for trial in look.finished:
            for name in trial.user_attrs.get(RUNGS, {}):
                own = rewards_at(name, [trial], _NO_TRIAL, self._reward)
                self._finished.setdefault(name, []).extend(own)
        running = rewards_at(rung, look.unfinished, number, self._reward)
        return [*self._finished.get(rung, ()), *running]


def rewards_at(
    rung: str, trials: Sequence[FrozenTrial], number: int, reward: Reward
) -> list[float]:
    """Rewards at a rung of all trials but one, leaving out repeats."""
    return [
        _penalised(trial.user_attrs, rung, reward)
        for trial in trials
        if trial.number != number
        and trial.state in (TrialState.RUNNING, TrialState.COMPLETE)
        and rung in trial.user_attrs.get(RUNGS, {})
        and trial.user_attrs.get(REPEATS) is None
    ]


class FrontSoFar:
    """The front of the finished trials; each of them is read once.

    Trials that were cut short, and those beyond a limit of the search, are not on it. Where quality
    is the only objective, the front is the best trial.
    """

    def __init__(self) -> None:
        self._watch = FinishedTrials()
        self._front: list[Values] = []

    def would_include(self, values: Values, trials: Sequence[FrozenTrial]) -> bool:
        """True if no finished trial dominates these values.

        Args:
            values: Those of a candidate that was trained to its end.
            trials: All trials of the study.
        """
        for trial in self._watch.look(trials).finished:
            if _is_eligible(trial):
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


def _penalised(attributes: dict[str, object], rung: str, reward: Reward) -> float:
    qualities, costs = attributes[RUNGS], attributes["costs"]
    assert isinstance(qualities, dict) and isinstance(costs, dict)
    quality = float(qualities[rung])
    return quality * reward.coefficient(quality, costs)


def _is_eligible(trial: FrozenTrial) -> bool:
    known = trial.user_attrs
    return trial.state == TrialState.COMPLETE and not known.get("stopped") and BEYOND not in known
