"""Which candidates are trained on: asynchronous successive halving, decided from the study.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020,
https://arxiv.org/abs/1810.05934.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials
from nas.search.config import PromotionSettings
from rewards import Reward

RUNGS = "rungs"
"""Attribute of a trial: its quality by rung, in the order of the rungs."""
_NO_TRIAL = -1


def goes_on(reward: float, rivals: Sequence[float], settings: PromotionSettings) -> bool:
    """Whether a candidate is among the best at its rung.

    Args:
        reward: Its own, there.
        rivals: Rewards of all other candidates that reached the rung so far.
        settings: How many go on.
    """
    if len(rivals) < settings.at_once:
        return True
    better = sum(rival > reward for rival in rivals)
    return better < max(1, (len(rivals) + 1) / settings.reduction)


class RewardsSoFar:
    """Rewards by rung; each finished trial is looked at once.

    Args:
        reward: The reward of the search.
    """

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._watch = FinishedTrials()
        self._finished: dict[str, list[float]] = {}

    def at(self, rung: str, trials: Sequence[FrozenTrial], number: int) -> list[float]:
        """What `rewards_at` gives, in another order.

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
    """Rewards at a rung of all trials but one, repeats left out."""
    return [
        _penalised(trial.user_attrs, rung, reward)
        for trial in trials
        if trial.number != number
        and trial.state in (TrialState.RUNNING, TrialState.COMPLETE)
        and rung in trial.user_attrs.get(RUNGS, {})
        and trial.user_attrs.get("duplicate_of") is None
    ]


def _penalised(attributes: dict[str, object], rung: str, reward: Reward) -> float:
    qualities, costs = attributes[RUNGS], attributes["costs"]
    assert isinstance(qualities, dict) and isinstance(costs, dict)
    quality = float(qualities[rung])
    return quality * reward.coefficient(quality, costs)
