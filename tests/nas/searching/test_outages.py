"""A database that is away or busy is waited for, and clocks decide nothing."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from nas.errors import UserError
from nas.searching import outages as module
from nas.searching.databases import connect, serialise_sqlite
from nas.searching.outages import Outages, is_outage
from nas.searching.storage import TrialCache, TrialStorage

AWAY = OperationalError("SELECT", {}, ConnectionRefusedError("connection refused"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "_UNTOLD", 0.0)


class Refusing:
    """Refuses so many times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times, self.error = times, error
        self.again: list[bool] = []

    def __call__(self, again: bool) -> str:
        self.again.append(again)
        if len(self.again) <= self.times:
            raise self.error
        return "done"


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    refusing = Refusing(5, AWAY)
    with caplog.at_level(logging.WARNING):
        assert Outages("the database x", 60).wait_out(refusing) == "done"
    assert refusing.again == [False, *[True] * 5]
    away, back = caplog.messages
    assert away == "the database x cannot be reached (connection refused); waiting for it"
    assert back.startswith("the database x is reached again after ")


def test_an_outage_beyond_the_limit_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"the database x could not be reached for .* --resume"):
        Outages("the database x", 0.05).wait_out(Refusing(10**6, AWAY))


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("database is locked", True),
        ("unable to open database file", True),
        ("no such table: trials", False),
        ("database or disk is full", False),
    ],
)
def test_what_passes_in_sqlite_is_told_from_what_does_not(text: str, passes: bool) -> None:
    assert is_outage(OperationalError("SELECT", {}, sqlite3.OperationalError(text))) == passes


def test_other_errors_are_raised_at_once() -> None:
    refusing = Refusing(1, ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        Outages("the database x", 60).wait_out(refusing)
    assert refusing.again == [False]


@pytest.fixture(name="storage")
def _storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrialStorage]:
    monkeypatch.setattr("nas.searching.databases._SQLITE_TIMEOUT", 0.05)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        storage = connect(tmp_path / "study.db", patience=60, heartbeat_interval=1, grace_period=6)
    serialise_sqlite(storage.engine)
    storage.origin = {"worker": "this"}
    yield storage
    storage.remove_session()
    storage.engine.dispose()


def test_a_locked_file_is_waited_for(storage: TrialStorage, tmp_path: Path) -> None:
    study = optuna.create_study(storage=TrialCache(storage))
    trial = TrialCache(storage).create_new_trial(study._study_id)
    other = sqlite3.connect(tmp_path / "study.db", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, other.rollback).start()
    started = time.monotonic()
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    assert time.monotonic() - started > 0.3
    assert study.get_trials()[0].values == [0.5]
    other.close()


def test_a_state_that_was_written_when_the_connection_broke_is_not_written_twice(
    storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(storage=TrialCache(storage))
    trial = TrialCache(storage).create_new_trial(study._study_id)
    outages = Outages("the database x", 60)

    def breaking(operation: Callable[[bool], bool]) -> bool:
        def attempt(again: bool) -> bool:
            done = operation(again)
            if not again:
                raise AWAY
            return done

        return outages.wait_out(attempt)

    monkeypatch.setattr(storage, "_waited", breaking)
    assert storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    assert [one.values for one in study.get_trials()] == [[0.5]]


def test_a_trial_is_created_with_its_worker_and_a_heartbeat(storage: TrialStorage) -> None:
    study = optuna.create_study(storage=TrialCache(storage))
    for number in range(3):
        created = storage._create_new_trial(study._study_id)
        assert created.number == number
        assert created.user_attrs == {"origin": {"worker": "this"}, "claimed": True}
    assert len(storage._silence) == 0
    assert storage._get_stale_trial_ids(study._study_id) == []
    assert len(storage._silence) == 3


def test_a_worker_is_given_up_by_how_long_its_silence_was_watched(
    storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(storage=TrialCache(storage))
    trial = storage._create_new_trial(study._study_id)._trial_id
    clock = [0.0]
    monkeypatch.setattr("nas.searching.storage.time.monotonic", lambda: clock[0])

    def stale_after(seconds: float) -> list[int]:
        clock[0] += seconds
        return storage._get_stale_trial_ids(study._study_id)

    assert stale_after(0.0) == []
    # This process was stopped for a day: the worker may have been, too.
    assert stale_after(86400.0) == []
    # A clock that is an hour off changes the heartbeat, and any change is a sign of life.
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trial_heartbeats SET heartbeat = '2001-01-01 00:00:00'")
    assert stale_after(1.0) == []
    found = [stale_after(1.0) for _ in range(7)]
    assert found == [*[[]] * 6, [trial]]


def test_a_silent_worker_is_noticed_among_later_trials_that_are_finished(
    storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = TrialCache(storage)
    study = optuna.create_study(storage=cache)
    trials = [cache.create_new_trial(study._study_id) for _ in range(4)]
    for finished in (trials[0], trials[2], trials[3]):
        cache.set_trial_state_values(finished, TrialState.COMPLETE, [0.5])
    study.get_trials(deepcopy=False)
    clock = [0.0]
    monkeypatch.setattr("nas.searching.storage.time.monotonic", lambda: clock[0])
    found = []
    for _ in range(9):
        found.append(cache._get_stale_trial_ids(study._study_id))
        clock[0] += 1.0
    assert (found[0], found[-1]) == ([], [trials[1]])
    cache.set_trial_state_values(trials[1], TrialState.FAIL)
    study.get_trials(deepcopy=False)
    assert cache._get_stale_trial_ids(study._study_id) == []


def test_the_first_heartbeat_is_that_of_the_creation(storage: TrialStorage) -> None:
    study = optuna.create_study(storage=TrialCache(storage))
    trial = storage._create_new_trial(study._study_id)._trial_id
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trial_heartbeats SET heartbeat = '2001-01-01 00:00:00'")

    def last() -> str:
        with storage.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT heartbeat FROM trial_heartbeats")
            return str(found.scalar_one())

    storage.record_heartbeat(trial)
    assert last().startswith("2001")
    storage.record_heartbeat(trial)
    assert not last().startswith("2001")
