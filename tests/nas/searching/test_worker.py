from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import optuna
import pytest
import search_fakes as fakes
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial
from sqlalchemy import event
from sqlalchemy.engine import Engine

from nas.searching.assembly import Parts
from nas.searching.memory_storage import MemoryStorage
from nas.searching.places import Places, WorkerIdentity
from nas.searching.records import read_records
from nas.searching.run_folder import RunFolder
from nas.searching.stop import FailureWatch, SearchError
from nas.searching.study import create_memory_study, create_study, read_study, working_storage
from nas.searching.trial import TrialRunner, origin_of
from nas.searching.worker import choose_device, run_worker, work
from search_spaces.genotype import Genotype

CONFIG = fakes.config(trials=12, space={"name": "pair", "options": {"size": 3}})
SPACE = fakes.PairSpace(3)


def _play(evaluator: fakes.FakeEvaluator, **changes: Any) -> optuna.Study:
    config = CONFIG.model_copy(update=changes)
    storage = MemoryStorage()
    sampler = RandomSampler(seed=1)
    study = create_memory_study(storage, config, SPACE, sampler)
    places = Places(study, storage, config.grace)
    origin = origin_of(WorkerIdentity.of_this_process(0), "cpu", 0)
    parts = Parts(SPACE, fakes.REWARD, sampler, evaluator)
    runner = TrialRunner(parts, config.objectives, 0, origin, places, storage)
    work(study, places, runner, FailureWatch(0, config.failures_in_a_row, 200))
    return study


def _essence(trial: FrozenTrial) -> Mapping[str, Any]:
    times = {"seconds", "origin"}
    return {
        "state": trial.state,
        "params": trial.params,
        "values": trial.values,
        "record": {key: value for key, value in trial.user_attrs.items() if key not in times},
    }


def test_a_trial_takes_three_transactions_and_few_statements(tmp_path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    assembly = fakes.FakeAssembly(fakes.FakeEvaluator(), RandomSampler(seed=1))
    with working_storage(run, CONFIG) as storage:
        create_study(storage, run, CONFIG, SPACE)
    sent: list[str] = []
    until: list[int] = []

    def add(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", add)
    try:
        run_worker(run, 0, assembly, after_trial=lambda study: until.append(len(sent)))
    finally:
        event.remove(Engine, "before_cursor_execute", add)
    trials = [sent[begin:end] for begin, end in itertools.pairwise(until)]
    assert len(trials) == CONFIG.trials - 1
    # Heartbeats are looked at now and then.
    assert all(len(trial) - trial.count("BEGIN IMMEDIATE") <= 18 for trial in trials)
    assert [trial.count("BEGIN IMMEDIATE") for trial in trials] == [3] * len(trials)


def test_a_search_in_memory_records_what_one_in_a_file_does(tmp_path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    assembly = fakes.FakeAssembly(fakes.FakeEvaluator(), RandomSampler(seed=1))
    with working_storage(run, CONFIG) as storage:
        create_study(storage, run, CONFIG, SPACE)
    run_worker(run, 0, assembly)
    in_file = read_study(run).get_trials()
    in_memory = _play(fakes.FakeEvaluator()).get_trials()
    assert [_essence(trial) for trial in in_memory] == [_essence(trial) for trial in in_file]
    assert any(record.repeats is not None for record in read_records(read_study(run)))


def test_failing_candidates_are_replaced_and_end_the_search_in_the_end() -> None:
    def fail_three_times(genotype: Genotype) -> None:
        if len(evaluator.seen) <= 3:
            raise RuntimeError("no memory")

    evaluator = fakes.FakeEvaluator(fail_three_times)
    assert len(_play(evaluator, trials=2).get_trials()) == 5
    evaluator.seen.clear()
    with pytest.raises(SearchError, match="3 candidates in a row failed"):
        _play(evaluator, trials=2, failures_in_a_row=3)


def test_workers_take_the_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    found = [choose_device("auto", index) for index in range(4)]
    assert found == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert choose_device("cpu", 1) == "cpu"
