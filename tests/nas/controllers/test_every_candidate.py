from __future__ import annotations

import optuna
import pytest

from nas.controllers.every_candidate import EveryCandidate
from search_spaces.decision import Decision
from search_spaces.space import SearchSpace

ALL = [("x", 1), ("x", 2), ("y", 1), ("y", 2)]


class Pairs(SearchSpace):
    name = "pairs"
    kind = "classification"

    def __init__(self) -> None:
        self.decisions = (Decision("letter", ("x", "y")), Decision("number", (1, 2)))


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=EveryCandidate(Pairs()))


def draw(trial):
    drawn = tuple(trial.suggest_categorical(d.name, d.options) for d in Pairs().decisions)
    trial.set_user_attr("canonical_key", str(drawn))
    return drawn


def test_every_candidate_is_drawn_once(study) -> None:
    drawn = []
    for _ in ALL:
        trial = study.ask()
        drawn.append(draw(trial))
        study.tell(trial, 0.0)
    assert drawn == ALL


def test_a_lost_candidate_is_drawn_again_and_one_that_failed_is_not(study) -> None:
    lost, failed = study.ask(), study.ask()
    assert [draw(lost), draw(failed)] == ALL[:2]
    study.tell(lost, state=optuna.trial.TrialState.FAIL)
    failed.set_user_attr("failure", "EvaluationError: it diverged")
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    rest = [draw(study.ask()) for _ in range(3)]
    assert rest == [ALL[0], ALL[2], ALL[3]]


def test_candidates_beyond_a_limit_are_not_drawn_again(study) -> None:
    beyond = study.ask()
    draw(beyond)
    study.tell(beyond, state=optuna.trial.TrialState.PRUNED)
    assert [draw(study.ask()) for _ in range(3)] == ALL[1:]


def test_trials_that_draw_at_the_same_time_differ(study) -> None:
    trials = [study.ask() for _ in ALL]
    assert sorted(map(draw, reversed(trials))) == ALL


def test_a_surplus_trial_repeats_a_candidate(study) -> None:
    for _ in ALL:
        draw(study.ask())
    assert draw(study.ask()) in ALL
