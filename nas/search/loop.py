"""The loop of every search: one trial after the other until the places are taken."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from nas.search import interrupts
from nas.search.claims import Places
from nas.search.objective import Objective, TrialError
from nas.search.records import LOST, failure_of
from nas.search.stop import FailureWatch

_logger = logging.getLogger(__name__)


def work(
    study: optuna.Study,
    places: Places,
    objective: Objective,
    failures: FailureWatch,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    after_trial: Callable[[optuna.Study], None] = lambda study: None,
) -> None:
    """Evaluates candidates until the number asked for is complete.

    Args:
        study: The study.
        places: Its places.
        objective: What is done with a trial.
        failures: Says when too many candidates have failed or were beyond the limits.
        should_stop: Asked between trials; True ends the work.
        after_trial: Called after every trial.

    Raises:
        SearchError: If too many candidates in a row fail or are beyond the limits.
        KeyboardInterrupt: If it was interrupted; the trial in hand is recorded as such.
    """

    def stop(trials: Sequence[FrozenTrial]) -> bool:
        failures.check(trials)
        interrupts.check()
        return should_stop()

    while places.wait(stop):
        _run_trial(study, objective)
        after_trial(study)


def _run_trial(study: optuna.Study, objective: Objective) -> None:
    try:
        study.optimize(objective, n_trials=1, catch=(TrialError,))
    except (UpdateFinishedTrialError, ValueError):
        # A worker that was suspended for longer than the grace period has lost its trial, which
        # Optuna refuses to finish a second time. Nobody has read its result: go on.
        if not _was_given_up(study, objective.trial_number):
            raise
        _logger.warning("trial %s was given up as lost while it ran", objective.trial_number)


def _was_given_up(study: optuna.Study, number: int | None) -> bool:
    trials = study.get_trials(deepcopy=False)
    return any(trial.number == number and failure_of(trial) == LOST for trial in trials)
