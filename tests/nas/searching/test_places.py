from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import search_fakes as fakes
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import LOST, failure_of, is_candidate_failure
from nas.searching import ends
from nas.searching.memory_storage import MemoryStorage
from nas.searching.places import LIVE, Places, WorkerIdentity, completed, has_place
from nas.searching.run_folder import RunFolder
from nas.searching.study import create_memory_study, create_study, working_storage

RUNNING, COMPLETE, FAIL = TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL


def _trials(states: Sequence[TrialState]) -> list[FrozenTrial]:
    return [_trial(number, state) for number, state in enumerate(states)]


def _trial(number: int, state: TrialState) -> FrozenTrial:
    trial = optuna.trial.create_trial(state=state, value=1.0 if state == COMPLETE else None)
    trial.number = number
    return trial


def test_a_place_counts_the_live_trials_before() -> None:
    trials = _trials([COMPLETE, FAIL, RUNNING, RUNNING, RUNNING])
    assert [has_place(trials, number, 3) for number in (2, 3, 4)] == [True, True, False]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_work_and_kills_completes_exactly_what_was_asked(seed: int) -> None:
    rng = random.Random(seed)
    asked, states, claimed = 7, [], set()
    for step in range(2000):
        trials = _trials(states)
        if completed(trials) == asked and not any(state == RUNNING for state in states):
            break
        running = [number for number, state in enumerate(states) if state == RUNNING]
        # Workers look before they create, and by then others may have created too.
        if len(running) < 5 and (completed(trials) < asked or rng.random() < 0.2):
            states.append(RUNNING)
        for number in rng.sample(running, min(2, len(running))):
            if number not in claimed:
                claimed.add(number) if has_place(trials, number, asked) else None
                states[number] = RUNNING if number in claimed else FAIL
            else:
                states[number] = FAIL if step < 500 and rng.random() < 0.5 else COMPLETE
        assert completed(_trials(states)) <= asked
    assert completed(_trials(states)) == asked


@pytest.fixture(name="places")
def _places(tmp_path: Path) -> Iterator[tuple[optuna.Study, Places, Path]]:
    config = fakes.config(trials=1)
    run = RunFolder.create(tmp_path / "run", config)
    with working_storage(run, config) as storage:
        study = create_study(storage, run, config, fakes.PairSpace())
        yield study, Places(study, storage, grace=60.0, poll=0.01), run.study_path


def _running(study: optuna.Study, places: Places, worker: WorkerIdentity) -> int:
    with pytest.warns(UserWarning, match="Heartbeat"):
        trial = study.ask()
    assert places.claim(trial, {"worker": worker.to_record()})
    return trial.number


def _failure(study: optuna.Study, number: int) -> str | None:
    return failure_of(study.get_trials(deepcopy=False)[number])


def test_a_trial_of_a_living_process_is_left_alone(
    places: tuple[optuna.Study, Places, Path],
) -> None:
    study, view, _ = places
    number = _running(study, view, WorkerIdentity.of_this_process(0))
    view.release_lost()
    assert study.get_trials()[number].state == RUNNING


def test_a_trial_of_a_killed_process_is_lost_at_once(
    places: tuple[optuna.Study, Places, Path],
) -> None:
    study, view, _ = places
    code = (
        "from nas.searching.places import WorkerIdentity as W; import json, time;"
        "print(json.dumps(W.of_this_process(0).to_record()), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        worker = WorkerIdentity.from_record(json.loads(process.stdout.readline()))
        number = _running(study, view, worker)
        view.release_lost()
        assert study.get_trials()[number].state == RUNNING
        process.kill()
    view.release_lost()
    assert _failure(study, number) == LOST


def test_a_trial_names_its_worker_from_the_start(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    dead = WorkerIdentity.of_this_process(0)
    origin = {"worker": replace(dead, started=dead.started - 1).to_record()}
    with working_storage(run, config, origin) as storage:
        study = create_study(storage, run, config, fakes.PairSpace())
        with pytest.warns(UserWarning, match="Heartbeat"):
            study.ask()
        Places(study, storage, grace=60.0).release_lost()
        assert _failure(study, 0) == LOST


def test_a_process_id_that_was_given_out_again_is_another_process() -> None:
    worker = WorkerIdentity.of_this_process(0)
    assert not worker.is_known_dead()
    assert replace(worker, started=worker.started - 1).is_known_dead()


def test_a_worker_of_another_machine_is_lost_when_its_heart_stops(
    places: tuple[optuna.Study, Places, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, view, database = places
    elsewhere = WorkerIdentity("far", "another machine", 1, 1, 0)
    number = _running(study, view, elsewhere)
    view.release_lost()
    # The clock of that machine is of no account.
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-2 hours')")
    connection.close()
    # Heartbeats are looked at no more often than they come.
    clock = [time.monotonic() + 10]
    monkeypatch.setattr("nas.searching.places.time.monotonic", lambda: clock[0])
    states = []
    for _ in range(9):
        view.release_lost()
        states.append(study.get_trials()[number].state)
        clock[0] += 10
    assert states == [*[RUNNING] * 7, FAIL, FAIL]
    assert _failure(study, number) == LOST


def test_a_trial_that_was_not_claimed_is_lost_after_the_grace(
    places: tuple[optuna.Study, Places, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, view, _ = places
    with pytest.warns(UserWarning, match="Heartbeat"):
        study.ask()
    view.release_lost()
    assert study.get_trials()[0].state == RUNNING
    monkeypatch.setattr("nas.searching.places.time.monotonic", lambda: 1e12)
    view.release_lost()
    assert _failure(study, 0) == LOST


def test_waiting_ends_when_somebody_else_completes_the_last_trial(
    places: tuple[optuna.Study, Places, Path],
) -> None:
    study, view, _ = places
    _running(study, view, WorkerIdentity.of_this_process(0))
    looks: list[int] = []

    def finish_at_the_third_look(trials: Sequence[FrozenTrial]) -> bool:
        looks.append(sum(trial.state in LIVE for trial in trials))
        if len(looks) == 3:
            study.tell(0, [0.5, 1.0])
        return False

    assert view.wait(finish_at_the_third_look) is False
    assert looks == [1, 1, 1]


def test_waiting_ends_when_a_place_becomes_free(
    places: tuple[optuna.Study, Places, Path],
) -> None:
    study, view, _ = places
    _running(study, view, WorkerIdentity.of_this_process(0))

    def fail(trials: Sequence[FrozenTrial]) -> bool:
        study.tell(0, state=FAIL, skip_if_finished=True)
        return False

    assert view.wait(fail) is True


def test_raising_the_number_asked_for_opens_places(
    places: tuple[optuna.Study, Places, Path],
) -> None:
    study, view, _ = places
    _running(study, view, WorkerIdentity.of_this_process(0))
    study.tell(0, [0.5, 1.0])
    assert view.wait(lambda trials: False) is False
    study.set_user_attr("trials", 2)
    assert view.wait(lambda trials: False) is True


@pytest.mark.parametrize("seed", range(5))
def test_a_claim_counts_all_that_is_live_before(seed: int) -> None:
    rng = random.Random(seed)
    storage = MemoryStorage()
    study = create_memory_study(storage, fakes.config(trials=4), fakes.PairSpace(), RandomSampler())
    # Two processes look at the study, each when it claims.
    views = [Places(study, storage, grace=60.0) for _ in range(2)]
    worker = {"worker": WorkerIdentity.of_this_process(0).to_record()}
    begun: list[optuna.Trial] = []
    claimed: list[optuna.Trial] = []
    answers = []
    for _ in range(90):
        step = rng.choice(["begin", "claim", "end"])
        if step == "begin":
            begun.append(study.ask())
        elif step == "claim" and begun:
            trial = begun.pop(rng.randrange(len(begun)))
            answers.append(rng.choice(views).claim(trial, worker))
            assert answers[-1] == has_place(study.get_trials(), trial.number, 4)
            claimed.append(trial)
        elif claimed:
            lost = rng.random() < 0.7
            trial = claimed.pop(rng.randrange(len(claimed)))
            study.tell(trial, None if lost else [0.5, 1.0], state=FAIL if lost else COMPLETE)
    assert set(answers) == {True, False}


def test_a_network_whose_process_dies_twice_has_failed(
    places: tuple[optuna.Study, Places, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, view, _ = places
    dead = replace(WorkerIdentity.of_this_process(0), started=1)
    monkeypatch.setattr(ends, "_causes", {dead.pid: "killed by SIGSEGV"})
    for number, network in enumerate(["a", "b", "a"]):
        _running(study, view, dead)
        trial = study.get_trials()[number]
        study._storage.set_trial_user_attr(trial._trial_id, "canonical_key", network)
        view.release_lost()
        assert study.get_trials()[number].state == FAIL
    once, other, twice = study.get_trials()
    assert failure_of(once) == failure_of(other) == f"{LOST}: killed by SIGSEGV"
    assert failure_of(twice) == "it took its process down: killed by SIGSEGV, twice"
    assert [is_candidate_failure(trial) for trial in (once, other, twice)] == [False, False, True]


def test_a_worker_leaves_the_death_of_another_to_the_executor_for_a_while(
    places: tuple[optuna.Study, Places, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, executor, _ = places
    worker = Places(study, study._storage, 60.0, yielding=5.0)  # type: ignore[arg-type]
    dead = replace(WorkerIdentity.of_this_process(0), started=1)
    _running(study, executor, dead)
    worker.release_lost()
    assert study.get_trials()[0].state == RUNNING
    executor.release_lost()
    assert study.get_trials()[0].state == FAIL
