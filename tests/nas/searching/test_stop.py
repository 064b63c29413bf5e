from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import SURPLUS
from nas.searching.stop import FailureWatch, SearchError, check_beyond, check_failures

BEYOND = "beyond"
EMPTY = "empty"
START = datetime(2026, 1, 1)


def _trials(*outcomes: str | None) -> list[FrozenTrial]:
    """One trial for each outcome: None is a success, "" a lost worker, else a reason.

    EMPTY is a candidate that is no network, BEYOND one of 6, 7, 8 … ms where 5 are allowed.
    """
    trials = []
    for number, outcome in enumerate(outcomes):
        trial = _beyond(6.0 + number) if outcome == BEYOND else _ended(outcome)
        trial.number = number
        trial.datetime_complete = START + timedelta(seconds=number)
        trials.append(trial)
    return trials


def _ended(outcome: str | None) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if outcome is None else TrialState.FAIL,
        value=1.0 if outcome is None else None,
        user_attrs={"failure": outcome, EMPTY: True} if outcome == EMPTY else _known(outcome),
    )


def _known(outcome: str | None) -> dict[str, str]:
    return {"failure": outcome} if outcome else {}


def _beyond(latency: float) -> FrozenTrial:
    breach = {"latency": {"limit": 5.0, "value": latency}}
    known = {"costs": {"latency": latency, "params": 1.0}, "beyond": breach}
    return optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs=known)


def test_failures_in_a_row_stop_with_the_last_reason() -> None:
    with pytest.raises(SearchError, match=r"3 candidates in a row.*\(trial 3\) with: c;"):
        check_failures(_trials(None, "a", "b", "c"), first=0, limit=3)


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("out of memory: 9 GiB", "fix the cause and continue with --resume"),
        ("diverged: the loss became nan", "start a new search with a lower learning rate"),
    ],
)
def test_what_is_to_be_done_fits_the_reason(reason: str, remedy: str) -> None:
    with pytest.raises(SearchError, match=f"{reason}; {remedy}"):
        check_failures(_trials("a", f"EvaluationError: {reason}"), first=0, limit=2)


def test_a_success_between_lets_the_search_go_on() -> None:
    check_failures(_trials("a", "b", None, "c", "d"), first=0, limit=3)


def test_lost_workers_and_surplus_trials_are_no_failures() -> None:
    check_failures(_trials("a", "", SURPLUS, "", "b"), first=0, limit=3)


def test_failures_before_a_resume_do_not_count() -> None:
    check_failures(_trials("a", "b", "c", "d"), first=2, limit=3)


def test_the_order_is_that_of_finishing() -> None:
    trials = _trials(None, "a", "b", "c")
    trials[0].datetime_complete = START + timedelta(seconds=9)
    check_failures(trials, first=0, limit=3)


def test_candidates_beyond_the_limits_are_between_no_failures() -> None:
    with pytest.raises(SearchError, match="3 candidates in a row failed"):
        check_failures(_trials("a", BEYOND, "b", BEYOND, BEYOND, "c", BEYOND), first=0, limit=3)


def test_candidates_beyond_the_limits_in_a_row_stop_with_the_limit_and_the_smallest_cost() -> None:
    match = r"3 candidates .* limit of latency \(5 ms\) .* smallest latency seen is 7 ms; start"
    with pytest.raises(SearchError, match=match):
        check_beyond(_trials(None, BEYOND, "", BEYOND, BEYOND), first=0, limit=3)


@pytest.mark.parametrize("between", [None, "a"])
def test_a_candidate_within_the_limits_lets_the_search_go_on(between: str | None) -> None:
    check_beyond(_trials(BEYOND, BEYOND, between, BEYOND, BEYOND), first=0, limit=3)


def test_candidates_that_are_no_networks_are_no_failures() -> None:
    check_failures(_trials("a", EMPTY, EMPTY, EMPTY, "b"), first=0, limit=3)


def test_many_candidates_that_are_no_networks_stop_the_search() -> None:
    with pytest.raises(SearchError, match="3 candidates in a row are no networks"):
        check_beyond(_trials(None, EMPTY, EMPTY, EMPTY), first=0, limit=3)
    with pytest.raises(SearchError, match="the smallest latency seen is 7 ms"):
        check_beyond(_trials(None, BEYOND, EMPTY, BEYOND), first=1, limit=3)
    check_beyond(_trials(EMPTY, EMPTY, "a", EMPTY, EMPTY), first=0, limit=3)


def test_candidates_beyond_the_limits_before_a_resume_do_not_count() -> None:
    check_beyond(_trials(*[BEYOND] * 4), first=2, limit=3)


@pytest.mark.parametrize("seed", range(10))
def test_watching_trials_as_they_finish_gives_what_looking_at_all_gives(seed: int) -> None:
    rng = random.Random(seed)
    outcomes = rng.choices((None, "", SURPLUS, "a", BEYOND), (2, 1, 1, 4, 6), k=40)
    finished = _trials(*outcomes)
    running = [optuna.trial.create_trial(state=TrialState.RUNNING) for _ in finished]
    trials = list(running)
    for number, trial in enumerate(trials):
        trial.number = number
    watch = FailureWatch(first=3, limit=4, beyond=5)
    order = sorted(range(40), key=lambda number: number + rng.uniform(-4, 4))
    for number in order:
        trials[number] = finished[number]
        assert _stops(watch.check, trials) == _stops(_check_all, trials)


def _check_all(trials: Sequence[FrozenTrial]) -> None:
    finished = [trial for trial in trials if trial.state.is_finished()]
    check_failures(finished, first=3, limit=4)
    check_beyond(finished, first=3, limit=5)


def _stops(
    check: Callable[[Sequence[FrozenTrial]], None], trials: Sequence[FrozenTrial]
) -> str | None:
    try:
        check(trials)
    except SearchError as error:
        return str(error)
    return None
