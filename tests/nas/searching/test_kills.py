"""Workers, and what started them, are killed while they work."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import search_fakes as fakes
from process_zygote import Zygote, fork
from sqlalchemy import event
from sqlalchemy.engine import Engine

from nas.errors import UserError
from nas.searching import local_processes
from nas.searching.ends import ExitCode
from nas.searching.local_processes import LocalProcesses
from nas.searching.places import Places
from nas.searching.run_folder import RunFolder
from nas.searching.stop import SearchError
from nas.searching.study import create_study, working_storage

ASKED = 16
Complete = dict[int, tuple[str, str]]


def _search(path: Path) -> int:
    zygote = Zygote()
    run = RunFolder.open(path)
    config = run.config()
    with working_storage(run, config) as storage:
        study = create_study(storage, run, config, fakes.PairSpace())
        places = Places(study, storage, config.grace)
        LocalProcesses(2, zygote.launch, poll=0.05).run(run, study, places, lambda study: None)
    return 0


def _work(run: RunFolder, parent: int) -> int:
    pipe = os.open(os.devnull, os.O_WRONLY)
    return local_processes.main(
        [str(run.path), "0", str(parent), "search_fakes:assembly", str(pipe)]
    )


def _rows(run: RunFolder, query: str) -> list[tuple[Any, ...]]:
    # Not by way of the code under test, and a hundred times faster than opening a study.
    connection = sqlite3.connect(run.study_path, timeout=30)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _complete(run: RunFolder) -> Complete:
    query = """
        SELECT number, group_concat(value, ' '), value_json
        FROM trials JOIN trial_values USING (trial_id)
        JOIN trial_user_attributes USING (trial_id)
        WHERE state = 'COMPLETE' AND key = 'genotype' GROUP BY number
    """
    return {number: (values, genotype) for number, values, genotype in _rows(run, query)}


def _kill_a_worker(run: RunFolder, rng: random.Random) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pids = list(json.loads((run.path / "workers.json").read_text()).values())
        try:
            if pids:
                os.kill(rng.choice(pids), signal.SIGKILL)
                return
        except ProcessLookupError:
            # It has just been replaced, and the file does not say so yet.
            pass
        time.sleep(0.02)
    raise AssertionError("no worker to be killed for a minute")


def _wait_for(run: RunFolder, number: int, parent: int) -> Complete:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (run.path / "workers.json").is_file():
            complete = _complete(run)
            if len(complete) >= number:
                return complete
        assert os.waitpid(parent, os.WNOHANG) == (0, 0), "the search ended too early"
        time.sleep(0.05)
    raise AssertionError(f"fewer than {number} trials after a minute")


def test_kills_of_workers_and_parent_lose_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fakes.BEHAVIOUR, json.dumps({"seconds": 0.15}))
    config = fakes.config(trials=ASKED, workers=2)
    run = RunFolder.create(tmp_path / "run", config)
    rng = random.Random(0)
    kept: Complete = {}
    parent = fork(lambda: _search(run.path))
    for number in range(1, 7):
        before = _wait_for(run, number, parent)
        assert kept.items() <= before.items()
        kept = before
        time.sleep(rng.uniform(0.0, 0.2))
        _kill_a_worker(run, rng)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    kept |= _complete(run)

    resumed = fork(lambda: _search(run.path))
    assert os.waitpid(resumed, 0)[1] == 0

    complete = _complete(run)
    assert kept.items() <= complete.items()
    assert len(complete) == ASKED
    assert _rows(run, "SELECT * FROM trials WHERE state = 'RUNNING'") == []
    # Of 2,500 pairs few are drawn twice; every other trial was trained, and trained alone.
    repeats = _rows(run, "SELECT * FROM trial_user_attributes WHERE key = 'duplicate_of'")
    assert len({genotype for _, genotype in complete.values()}) >= ASKED - len(repeats)


def test_exit_codes_of_candidates_cost_neither_worker_nor_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exits = [(2, 0), (4, 2), (6, 3)]
    behaviour = {"seconds": 0.1, "trained": str(tmp_path / "trained"), "exits": exits}
    monkeypatch.setenv(fakes.BEHAVIOUR, json.dumps(behaviour))
    run = RunFolder.create(tmp_path / "run", fakes.config(trials=8, workers=2))
    assert os.waitpid(fork(lambda: _search(run.path)), 0)[1] == 0
    assert len(_complete(run)) == 8

    def known(key: str, state: str) -> dict[int, str]:
        query = (
            "SELECT number, value_json FROM trials LEFT JOIN trial_user_attributes ON "
            f"trials.trial_id = trial_user_attributes.trial_id AND key = '{key}' "
            f"WHERE state = '{state}'"
        )
        return {number: json.loads(value or '""') for number, value in _rows(run, query)}

    failures, drawn = known("failure", "FAIL"), known("genotype", "FAIL")
    lost = {number: reason for number, reason in failures.items() if drawn[number]}
    assert len(lost) == len(exits)
    # Where the machine is busy, the other worker may notice a death first, and knows no code.
    assert set(lost.values()) - {""} <= {f"worker lost: exit code {code}" for _, code in exits}
    # Two workers can reach for the place that a death has freed: one of them gets it, and the trial
    # of the other one ends before a candidate is drawn.
    surplus = [reason for number, reason in failures.items() if not drawn[number]]
    assert all(reason.startswith("surplus") for reason in surplus)
    assert len(surplus) <= len(exits)
    repeats = [number for number in known("duplicate_of", "COMPLETE").values() if number != ""]
    trained = (tmp_path / "trained").read_text().splitlines()
    assert len(trained) == 8 - len(repeats) + len(exits)


def test_workers_that_crash_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fakes.BEHAVIOUR, json.dumps({"defect": "a defect"}))
    run = RunFolder.create(tmp_path / "run", fakes.config(workers=2))

    def body() -> int:
        with pytest.raises(SearchError, match=r"worker \d keeps dying \(exit code 1"):
            _search(run.path)
        return 0

    assert os.waitpid(fork(body), 0)[1] == 0
    reasons = _rows(run, "SELECT value_json FROM trial_user_attributes WHERE key = 'failure'")
    assert ('"TypeError: a defect"',) in reasons


def test_a_worker_that_finds_the_configuration_wrong_ends_the_search(tmp_path: Path) -> None:
    penalties = [{"cost": "latency", "base": 1.0}]
    config = fakes.config(workers=2, reward={"penalties": penalties})
    run = RunFolder.create(tmp_path / "run", config)

    def body() -> int:
        with pytest.raises(UserError, match="does not measure 'latency'"):
            _search(run.path)
        return 0

    assert os.waitpid(fork(body), 0)[1] == 0


def test_a_worker_ends_in_order_when_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fakes.BEHAVIOUR, json.dumps({"seconds": 30}))
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    with working_storage(run, config) as storage:
        create_study(storage, run, config, fakes.PairSpace())
    worker = fork(lambda: _work(run, os.getppid()))
    query = "SELECT * FROM trial_user_attributes WHERE key = 'canonical_key'"
    while not _rows(run, query):
        time.sleep(0.05)
    os.kill(worker, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == ExitCode.INTERRUPTED
    assert _rows(run, "SELECT state FROM trials") == [("FAIL",)]


def test_an_interruption_within_a_transaction_waits_for_its_end(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    with working_storage(run, config) as storage:
        create_study(storage, run, config, fakes.PairSpace())

    def interrupt(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("INSERT") and "canonical_key" in str(values):
            os.kill(os.getpid(), signal.SIGTERM)

    def body() -> int:
        event.listen(Engine, "after_cursor_execute", interrupt)
        return _work(run, os.getppid())

    worker = fork(body)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == ExitCode.INTERRUPTED
    assert _rows(run, "SELECT state FROM trials") == [("FAIL",)]
    # What the transaction was about has been written.
    keys = [key for (key,) in _rows(run, "SELECT key FROM trial_user_attributes")]
    assert {"canonical_key", "network_key", "failure"} <= set(keys)


def test_a_worker_whose_parent_is_gone_ends(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    with working_storage(run, config) as storage:
        create_study(storage, run, config, fakes.PairSpace())
    somebody_else = 1
    worker = fork(lambda: _work(run, somebody_else))
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == ExitCode.INTERRUPTED
    assert _rows(run, "SELECT * FROM trials") == []
