"""When a search gives up."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials
from nas.search.records import failure_of, is_candidate_failure


class SearchError(Exception):
    """The search cannot reach the number of trials asked for; the message says why."""


class FailureWatch:
    """Stops a search in which one candidate after the other fails; see `check_failures`.

    It looks at every trial once, however often it is asked.

    Args:
        first: Number of the first trial since the search was started or resumed.
        limit: That many failures in a row stop it.
    """

    def __init__(self, first: int, limit: int) -> None:
        self._first = first
        self._limit = limit
        self._watch = FinishedTrials()
        self._last: list[FrozenTrial] = []

    def check(self, trials: Sequence[FrozenTrial]) -> None:
        """Looks at what has finished since.

        Args:
            trials: All trials of the study.

        Raises:
            SearchError: If the last `limit` finished candidates all failed.
        """
        finished = self._watch.look(trials).finished
        self._last = _last_judged([*self._last, *finished], self._first, self._limit)
        check_failures(self._last, self._first, self._limit)


def check_failures(trials: Sequence[FrozenTrial], first: int, limit: int) -> None:
    """Stops a search in which one candidate after the other fails.

    Lost workers are not failures of a candidate.

    Args:
        trials: The trials of the study.
        first: Number of the first trial since the search was started or resumed.
        limit: That many failures in a row stop it.

    Raises:
        SearchError: If the last `limit` finished candidates all failed.
    """
    last = _last_judged(trials, first, limit)
    if len(last) == limit and all(is_candidate_failure(trial) for trial in last):
        raise SearchError(
            f"{limit} candidates in a row failed, the last one (trial {last[-1].number}) with: "
            f"{failure_of(last[-1])}; mend the cause and continue with --resume."
        )


def _last_judged(trials: Sequence[FrozenTrial], first: int, limit: int) -> list[FrozenTrial]:
    judged = [trial for trial in trials if trial.number >= first and _is_judged(trial)]
    return sorted(judged, key=_finished)[-limit:]


def _is_judged(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE or is_candidate_failure(trial)


def _finished(trial: FrozenTrial) -> float:
    assert trial.datetime_complete is not None
    return trial.datetime_complete.timestamp()
