from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event

from nas.searching.databases import connect
from nas.searching.storage import TrialCache, TrialStorage


@pytest.fixture(name="storage")
def _storage(tmp_path: Path) -> Iterator[TrialStorage]:
    storage = connect(tmp_path / "study.db")
    yield storage
    storage.remove_session()
    storage.engine.dispose()


@pytest.fixture(name="study")
def _study(storage: TrialStorage) -> optuna.Study:
    return optuna.create_study(storage=storage)


def test_what_is_written_together_is_read_back(study: optuna.Study, storage: TrialStorage) -> None:
    trial = study.ask()
    with storage.together():
        chosen = trial.suggest_categorical("operation", ("sum", "cat"))
        trial.set_user_attr("quality", 0.5)
        trial.set_user_attr("quality", 0.25)
    assert trial.user_attrs == {"quality": 0.25}
    (read,) = study.get_trials()
    assert read.params == {"operation": chosen}
    assert read.user_attrs == {"quality": 0.25}


def test_together_is_one_transaction(study: optuna.Study, storage: TrialStorage) -> None:
    commits = []
    event.listen(storage.engine, "commit", commits.append)
    trial = study.ask()
    commits.clear()
    with storage.together():
        for index in range(5):
            trial.set_user_attr(str(index), index)
    assert len(commits) == 1
    trial.set_user_attr("alone", 1)
    assert len(commits) == 2


def test_a_block_that_raises_writes_nothing(study: optuna.Study, storage: TrialStorage) -> None:
    trial = study.ask()
    with pytest.raises(KeyError), storage.together():
        trial.set_user_attr("quality", 0.5)
        raise KeyError
    trial.set_user_attr("failure", "KeyError")
    assert study.get_trials()[0].user_attrs == {"failure": "KeyError"}


def test_what_is_written_with_the_end_of_a_trial_is_one_transaction_with_it(
    study: optuna.Study, storage: TrialStorage
) -> None:
    trial = study.ask()
    with storage.together(with_end=True):
        trial.set_user_attr("quality", 0.5)
    assert study.get_trials()[0].user_attrs == {}
    commits: list[Any] = []
    event.listen(storage.engine, "commit", commits.append)
    study.tell(trial, 0.5)
    assert len(commits) == 1
    (read,) = study.get_trials()
    assert (read.user_attrs, read.values) == ({"quality": 0.5}, [0.5])


def test_a_trial_that_another_worker_has_ended_keeps_its_end(
    study: optuna.Study, storage: TrialStorage, tmp_path: Path
) -> None:
    trial = study.ask()
    with storage.together(with_end=True):
        trial.set_user_attr("quality", 0.5)
    other = connect(tmp_path / "study.db")
    other.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    other.engine.dispose()
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    (read,) = study.get_trials()
    assert (read.state, read.user_attrs, read.values) == (TrialState.FAIL, {}, None)


def test_a_finished_trial_takes_no_record(study: optuna.Study, storage: TrialStorage) -> None:
    trial = study.ask()
    study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError), storage.together():
        trial.set_user_attr("quality", 0.5)
    assert study.get_trials()[0].user_attrs == {}


def test_other_choices_than_before_are_refused(study: optuna.Study, storage: TrialStorage) -> None:
    study.ask().suggest_categorical("operation", ("sum", "cat"))
    trial = study.ask()
    with pytest.raises(ValueError, match="CategoricalDistribution"), storage.together():
        trial.suggest_categorical("operation", ("sum", "product"))
    assert study.get_trials()[1].params == {}


def test_trials_are_read_in_the_order_of_their_numbers(storage: TrialStorage) -> None:
    caches = [TrialCache(storage), TrialCache(storage)]
    study = optuna.create_study(storage=caches[0])
    # The second cache knows its own trials before it has read those of the first.
    trials = [caches[index].create_new_trial(study._study_id) for index in (0, 1, 0, 0, 1)]
    read = caches[1].get_all_trials(study._study_id, deepcopy=False)
    assert [trial.number for trial in read] == [0, 1, 2, 3, 4]
    for number in (3, 1, 4):
        caches[number % 2].set_trial_state_values(trials[number], TrialState.COMPLETE, [number])
    for cache in caches:
        read = cache.get_all_trials(study._study_id, deepcopy=False)
        assert [trial.number for trial in read] == [0, 1, 2, 3, 4]
        assert [trial.value for trial in read] == [None, 1, None, 3, 4]


def test_a_trial_that_becomes_visible_after_a_later_one_displaces_none(
    storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = TrialCache(storage)
    study = optuna.create_study(storage=cache)
    trials = [storage.create_new_trial(study._study_id) for _ in range(3)]
    read = storage._get_trials

    def without_the_middle(*arguments: Any, **options: Any) -> list[FrozenTrial]:
        # Transactions of a database server do not end in the order in which they began.
        return [trial for trial in read(*arguments, **options) if trial.number != 1]

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_get_trials", without_the_middle)
        found = cache.get_all_trials(study._study_id, deepcopy=False)
        assert [trial.number for trial in found] == [0, 2]
    storage.set_trial_state_values(trials[1], TrialState.COMPLETE, [0.5])
    found = cache.get_all_trials(study._study_id, deepcopy=False)
    assert [(trial.number, trial.value) for trial in found] == [(0, None), (1, 0.5), (2, None)]


def test_a_cached_study_reads_as_an_uncached_one(storage: TrialStorage) -> None:
    study = optuna.create_study(study_name="study", storage=TrialCache(storage))
    plain = optuna.load_study(study_name="study", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    study.enqueue_trial({"x": 0.5})
    assert study.get_trials(deepcopy=False) == plain.get_trials(deepcopy=False)
    waiting = (TrialState.WAITING,)
    assert study.get_trials(states=waiting) == plain.get_trials(states=waiting)


def test_a_read_without_a_copy_is_one_list_that_later_reads_bring_up_to_date(
    storage: TrialStorage,
) -> None:
    cache = TrialCache(storage)
    study = optuna.create_study(storage=cache)
    trials = study.get_trials(deepcopy=False)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert trials is study.get_trials(deepcopy=False)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    copied = study.get_trials()
    study.ask()
    study.get_trials(deepcopy=False)
    assert (len(trials), len(copied)) == (3, 2)


def _statements(storage: TrialStorage) -> list[str]:
    """What is sent to the database from now on."""
    found: list[str] = []

    def add(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        found.append(statement.split(maxsplit=1)[0])

    event.listen(storage.engine, "before_cursor_execute", add)
    return found


def test_what_this_process_knows_is_not_read_again(storage: TrialStorage) -> None:
    study = optuna.create_study(storage=TrialCache(storage))
    study.ask()
    trials = study.get_trials(deepcopy=False)
    sent = _statements(storage)
    with storage.as_seen():
        assert study.get_trials(deepcopy=False) is trials
    assert sent == []
    study.get_trials(deepcopy=False)
    assert sent[0] == "SELECT"


def test_a_study_is_read_where_this_process_knows_nothing_of_it(storage: TrialStorage) -> None:
    writer = TrialCache(storage)
    study = optuna.create_study(study_name="study", storage=writer)
    study.ask()
    fresh = optuna.load_study(study_name="study", storage=TrialCache(storage))
    with storage.as_seen():
        assert len(fresh.get_trials(deepcopy=False)) == 1


def test_an_enqueued_trial_is_taken_though_waiting_ones_are_read_with_all(
    storage: TrialStorage,
) -> None:
    study = optuna.create_study(study_name="study", storage=TrialCache(storage))
    other = optuna.load_study(study_name="study", storage=TrialCache(storage))
    other.enqueue_trial({"x": 0.25})
    other.enqueue_trial({"x": 0.75})
    study.get_trials(deepcopy=False)
    taken = [study.ask().suggest_float("x", 0, 1) for _ in range(2)]
    assert taken == [0.25, 0.75]
    other.enqueue_trial({"x": 0.5})
    assert study.ask().suggest_float("x", 0, 1) == 0.5


def test_a_write_that_may_have_been_made_before_is_made_again(
    study: optuna.Study, storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.origin = {"worker": "this"}
    trial = study.ask()

    def twice(operation: Any) -> Any:
        operation(False)
        return operation(True)

    monkeypatch.setattr(storage, "_waited", twice)
    with storage.together():
        trial.suggest_categorical("operation", ("sum", "cat"))
        trial.set_user_attr("quality", 0.5)
    monkeypatch.undo()
    (read,) = study.get_trials()
    assert list(read.params) == ["operation"]
    assert read.user_attrs["quality"] == 0.5


def test_numbers_that_are_not_finite_are_read_as_optuna_reads_them(
    study: optuna.Study, storage: TrialStorage, tmp_path: Path
) -> None:
    trial = study.ask()
    for step, value in enumerate((math.inf, -math.inf, math.nan, 0.5)):
        trial.report(value, step)
    study.tell(trial, -math.inf)
    plain = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{tmp_path}/study.db")
    for read in (study.get_trials()[0], plain.get_trials()[0]):
        assert read.values == [-math.inf]
        assert str(read.intermediate_values) == "{0: inf, 1: -inf, 2: nan, 3: 0.5}"
