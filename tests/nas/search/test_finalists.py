from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.finalists import Finalists, dominates


def _trial(*values: float, **attributes: Any) -> FrozenTrial:
    return create_trial(values=list(values), user_attrs=attributes)


def _numbered(*trials: FrozenTrial) -> list[FrozenTrial]:
    for number, trial in enumerate(trials):
        trial.number = number
    return list(trials)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.5, 3.0), (0.5, 4.0), True),
        ((0.6, 3.0), (0.5, 3.0), True),
        ((0.5, 3.0), (0.5, 3.0), False),
        ((0.6, 4.0), (0.5, 3.0), False),
        ((0.6,), (0.5,), True),
    ],
)
def test_dominance(one: tuple[float, ...], other: tuple[float, ...], expected: bool) -> None:
    assert dominates(one, other) == expected


def test_the_first_candidate_is_a_finalist() -> None:
    assert Finalists().would_be_one((0.1, 9.0), [])


def test_a_finalist_is_not_dominated_by_what_has_finished() -> None:
    trials = _numbered(_trial(0.5, 3.0), _trial(0.8, 9.0), _trial(0.4, 5.0))
    finalists = Finalists()
    assert finalists.would_be_one((0.6, 5.0), trials)
    assert not finalists.would_be_one((0.45, 4.0), trials)
    assert not finalists.would_be_one((0.8, 9.5), trials)


def test_with_the_quality_alone_only_the_best_so_far_is_one() -> None:
    trials = _numbered(_trial(0.5), _trial(0.7))
    finalists = Finalists()
    assert not finalists.would_be_one((0.6,), trials)
    trials = _numbered(*trials, _trial(0.75))
    assert not finalists.would_be_one((0.72,), trials)
    assert finalists.would_be_one((0.8,), trials)


def test_trials_that_are_on_no_front_dominate_nothing() -> None:
    trials = _numbered(
        _trial(0.9, 1.0, stopped=True),
        _trial(0.9, 1.0, beyond={"latency": {"limit": 5.0, "value": 6.0}}),
        create_trial(state=TrialState.PRUNED),
        create_trial(state=TrialState.FAIL),
    )
    assert Finalists().would_be_one((0.5, 2.0), trials)
