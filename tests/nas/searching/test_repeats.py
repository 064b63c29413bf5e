from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from nas.searching.memory_storage import MemoryStorage
from nas.searching.repeats import Keys, Repeats


@pytest.fixture(name="study")
def _study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=MemoryStorage())


A, B = ("a", "a network"), ("b", "b network")


def _begin(study: optuna.Study, keys: Keys, seed: int = 0) -> optuna.Trial:
    trial = study.ask()
    _draw(trial, keys, seed)
    return trial


def _draw(trial: optuna.Trial, keys: Keys, seed: int = 0) -> None:
    trial.set_user_attr("origin", {"seed": seed})
    trial.set_user_attr("canonical_key", keys[0])
    trial.set_user_attr("network_key", keys[1])


def test_the_first_complete_trial_of_a_network_is_repeated(study: optuna.Study) -> None:
    repeats = Repeats(0)
    first, second = _begin(study, A), _begin(study, A)
    # They finish in the other order.
    study.tell(second, 1.0)
    last = _begin(study, A)
    study.tell(first, state=TrialState.FAIL)
    found = repeats.original(last.number, A, study.get_trials())
    assert found is not None and found.number == 1
    assert repeats.original(last.number, B, study.get_trials()) is None


def test_a_trial_that_completes_late_comes_before_later_ones(study: optuna.Study) -> None:
    repeats = Repeats(0)
    first, second, third = (_begin(study, A) for _ in range(3))
    study.tell(second, 1.0)
    assert repeats.original(third.number, A, study.get_trials()) is not None
    study.tell(first, 1.0)
    found = repeats.original(third.number, A, study.get_trials())
    assert found is not None and found.number == 0


def test_a_running_trial_waits_for_smaller_numbers_only(study: optuna.Study) -> None:
    repeats = Repeats(0)
    first, second = _begin(study, A), _begin(study, A)
    assert repeats.original(first.number, A, study.get_trials()) is None
    found = repeats.original(second.number, A, study.get_trials())
    assert found is not None and found.number == 0


def test_a_running_trial_that_has_not_drawn_yet_is_not_repeated(study: optuna.Study) -> None:
    repeats = Repeats(0)
    early = study.ask()
    late = _begin(study, A)
    assert repeats.original(late.number, A, study.get_trials()) is None
    _draw(early, A)
    found = repeats.original(late.number, A, study.get_trials())
    assert found is not None and found.number == early.number


def test_a_trial_with_another_seed_is_not_repeated(study: optuna.Study) -> None:
    study.tell(_begin(study, A, seed=1), 1.0)
    late = _begin(study, A)
    assert Repeats(0).original(late.number, A, study.get_trials()) is None


def test_a_network_of_the_same_function_and_other_costs_is_not_repeated(
    study: optuna.Study,
) -> None:
    repeats = Repeats(0)
    first, second = _begin(study, A), _begin(study, A)
    for trial, network in ((first, "shared"), (second, "twice")):
        trial.set_user_attr("network_key", network)
    study.tell(first, 1.0)
    assert repeats.original(second.number, ("a", "twice"), study.get_trials()) is None
    assert repeats.original(second.number, ("a", "shared"), study.get_trials()) is not None
