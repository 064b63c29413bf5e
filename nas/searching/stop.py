"""When a search gives up: too many candidates in a row that fail or are not worth training."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import failure_of, is_candidate_failure, is_empty
from nas.controllers.finished import FinishedTrials
from nas.errors import UserError
from nas.evaluation.evaluation import DIVERGED
from nas.searching.config import SearchConfig
from nas.searching.ends import Deaths, ExitCode, Word
from nas.searching.limits import breaches_of, strictest
from nas.searching.places import completed, trials_asked
from nas.searching.records import is_beyond_limits
from nas.searching.study import first_trial


class SearchError(Exception):
    """The search cannot complete the number of trials asked for; the message says why."""


class FailureWatch:
    """Stops a search that makes no progress; see `check_failures` and `check_beyond`.

    It reads every trial once, however often it is called.

    Args:
        first: Number of the first trial since the search was started or resumed.
        limit: Number of failures in a row that stop the search.
        beyond: Number of candidates in a row that are not worth training, because they are beyond
            the limits or are no networks, that stop the search.
    """

    def __init__(self, first: int, limit: int, beyond: int) -> None:
        self._first = first
        self._limit = limit
        self._beyond = beyond
        self._watch = FinishedTrials()
        self._trained: list[FrozenTrial] = []
        self._tried: list[FrozenTrial] = []

    def check(self, trials: Sequence[FrozenTrial]) -> None:
        """Checks the trials that have finished since the last call.

        Args:
            trials: All trials of the study.

        Raises:
            SearchError: If the last `limit` finished candidates all failed, or the last `beyond`
                were all not worth training.
        """
        for trial in self._watch.look(trials).finished:
            if trial.number < self._first:
                continue
            if _was_trained(trial):
                _keep(self._trained, trial, self._limit)
            if _was_tried(trial):
                _keep(self._tried, trial, self._beyond)
        _refuse_failures(self._trained, self._limit)
        _refuse_useless(self._tried, self._beyond)


def must_replace(
    study: optuna.Study, deaths: Deaths, code: int, word: Word | None, told: str
) -> bool:
    """Whether a worker that has ended is to be replaced by another one.

    Args:
        study: The study.
        deaths: Those of the executor so far.
        code: How its process ended, as `subprocess` gives it.
        word: What it said of its end, or None where something else ended it.
        told: Which worker it was and what ended it, for the message.

    Raises:
        UserError: If it found the configuration wrong.
        SearchError: If workers keep dying.
    """
    if word is not None and word.code == ExitCode.WRONG_USE:
        raise UserError(word.sentence)
    if word is not None and word.code in (ExitCode.DONE, ExitCode.STOPPED):
        return False
    if deaths.too_many(code, completed(study.get_trials(deepcopy=False))):
        raise SearchError(f"{told}, and continue with --resume.")
    return True


def is_reached(study: optuna.Study) -> bool:
    """Whether the number of trials asked for is complete."""
    return completed(study.get_trials(deepcopy=False)) >= trials_asked(study)


def check_outcome(study: optuna.Study, config: SearchConfig) -> None:
    """Checks a study that nobody works on any more; see `check_failures` and `check_beyond`.

    Raises:
        SearchError: If it shows why the search has made no progress.
    """
    trials, first = study.get_trials(deepcopy=False), first_trial(study)
    check_failures(trials, first, config.failures_in_a_row)
    check_beyond(trials, first, config.beyond_in_a_row)


def check_failures(trials: Sequence[FrozenTrial], first: int, limit: int) -> None:
    """Stops a search in which one candidate after the other fails.

    A lost worker is not a failure of its candidate, nor is a candidate that is no network.

    Args:
        trials: The trials of the study.
        first: Number of the first trial since the search was started or resumed.
        limit: Number of failures in a row that stop the search.

    Raises:
        SearchError: If the last `limit` finished candidates all failed.
    """
    _refuse_failures(_last(filter(_was_trained, trials), first, limit), limit)


def _refuse_failures(last: Sequence[FrozenTrial], limit: int) -> None:
    if len(last) == limit and all(is_candidate_failure(trial) for trial in last):
        reason = str(failure_of(last[-1]))
        # A learning rate is a setting, and a search goes on with those that it has.
        remedy = (
            "start a new search with a lower learning rate"
            if DIVERGED in reason
            else "fix the cause and continue with --resume"
        )
        raise SearchError(
            f"{limit} candidates in a row failed, the last one (trial {last[-1].number}) with: "
            f"{reason}; {remedy}."
        )


def check_beyond(trials: Sequence[FrozenTrial], first: int, limit: int) -> None:
    """Stops a search in which one candidate after the other is not worth training.

    Such a candidate is beyond the limits, or is no network: no path leads from the image to the
    logits.

    Args:
        trials: The trials of the study.
        first: Number of the first trial since the search was started or resumed.
        limit: Number of such candidates in a row that stop the search.

    Raises:
        SearchError: If none of the last `limit` finished candidates was worth training.
    """
    _refuse_useless(_last(filter(_was_tried, trials), first, limit), limit)


def _refuse_useless(last: Sequence[FrozenTrial], limit: int) -> None:
    if len(last) < limit or any(_was_trained(trial) for trial in last):
        return
    beyond = [trial for trial in last if is_beyond_limits(trial)]
    if not beyond:
        raise SearchError(
            f"{limit} candidates in a row are no networks, since no path leads from the image to "
            "the logits; choose another controller or space, or continue with --resume."
        )
    found = [breaches_of(trial.user_attrs) for trial in beyond]
    costs = [trial.user_attrs["costs"] for trial in beyond]
    raise SearchError(
        f"{limit} candidates in a row are beyond the limits: {strictest(found, costs)}; "
        "start a new search with a higher limit, or continue with --resume."
    )


def _last(trials: Iterable[FrozenTrial], first: int, limit: int) -> list[FrozenTrial]:
    since = [trial for trial in trials if trial.number >= first]
    return sorted(since, key=_finished)[-limit:]


def _keep(last: list[FrozenTrial], trial: FrozenTrial, limit: int) -> None:
    """Adds a trial to the last ones, which are in the order in which they have finished."""
    insort(last, trial, key=_finished)
    del last[:-limit]


def _was_trained(trial: FrozenTrial) -> bool:
    if trial.state == TrialState.COMPLETE:
        return True
    return is_candidate_failure(trial) and not is_empty(trial)


def _was_tried(trial: FrozenTrial) -> bool:
    return _was_trained(trial) or _is_useless(trial)


def _is_useless(trial: FrozenTrial) -> bool:
    return is_beyond_limits(trial) or is_empty(trial)


def _finished(trial: FrozenTrial) -> float:
    assert trial.datetime_complete is not None
    return trial.datetime_complete.timestamp()
