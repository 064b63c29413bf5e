"""Which candidates are trained on: asynchronous successive halving, decided from the study.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020,
https://arxiv.org/abs/1810.05934.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.search.config import PromotionSettings
from rewards import Reward

RUNGS = "rungs"
"""Attribute of a trial: its quality by rung, in the order of the rungs."""


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
