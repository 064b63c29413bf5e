"""Which trials failed because of their candidates, and which networks these built."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials

EMPTY = "empty"
"""User attribute of a failed trial whose candidate is no network at all."""

LOST = "worker lost"
"""Failure of a trial whose worker died; a clause may follow that says what ended its process.
One death is not yet the fault of the candidate."""
KILLER = "it took its process down"
"""How the failure of a candidate begins whose process has died more than once."""
SURPLUS = "surplus: the number of trials asked for was already reached"
"""Failure of a trial that found no place; it was never trained."""
INTERRUPTED = "interrupted"
"""Failure of a trial that the user stopped."""


def failure_of(trial: FrozenTrial) -> str | None:
    """The reason why a trial failed, or None if it did not."""
    if trial.state != TrialState.FAIL:
        return None
    # Optuna offers no call to add a reason to the trial of another worker.
    reason: str = trial.user_attrs.get("failure", LOST)
    return reason


def is_empty(trial: FrozenTrial) -> bool:
    """True for a candidate that is no network: no path leads from the image to the logits."""
    return trial.state == TrialState.FAIL and EMPTY in trial.user_attrs


def is_candidate_failure(trial: FrozenTrial) -> bool:
    """True if the candidate itself failed, not its worker."""
    if is_empty(trial):
        return True
    failure = failure_of(trial)
    return failure not in (None, SURPLUS, INTERRUPTED) and not is_lost(trial)


def is_lost(trial: FrozenTrial) -> bool:
    """True if the worker of a trial died or fell silent."""
    return (failure_of(trial) or "").partition(":")[0] == LOST


class FailedNetworks:
    """The networks whose candidates failed; every trial is read once.

    Attributes:
        networks: Their canonical keys.
    """

    def __init__(self) -> None:
        self.networks: set[str] = set()
        self._watch = FinishedTrials()

    def look(self, trials: Sequence[FrozenTrial]) -> None:
        """Takes in the trials that have finished since the last call.

        Args:
            trials: All trials of the study.
        """
        for trial in self._watch.look(trials).finished:
            if is_candidate_failure(trial) and "canonical_key" in trial.user_attrs:
                self.networks.add(str(trial.user_attrs["canonical_key"]))
