from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
import pytest
import search_fakes as fakes
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from nas.search.assembly import Parts
from nas.search.claims import Places
from nas.search.identity import WorkerIdentity
from nas.search.loop import work
from nas.search.memory import MemoryStorage, create_memory_study
from nas.search.objective import Objective, origin_of
from nas.search.records import read_records
from nas.search.run_folder import RunFolder
from nas.search.stop import FailureWatch, SearchError
from nas.search.study import create_study, read_study, working_storage
from nas.search.worker import run_worker
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
    objective = Objective(parts, config.objectives, 0, origin, places, storage)
    work(study, places, objective, FailureWatch(0, config.failures_in_a_row, 200))
    return study


def _essence(trial: FrozenTrial) -> Mapping[str, Any]:
    times = {"seconds", "origin"}
    return {
        "state": trial.state,
        "params": trial.params,
        "values": trial.values,
        "record": {key: value for key, value in trial.user_attrs.items() if key not in times},
    }


def test_a_search_in_memory_records_what_one_in_a_file_does(tmp_path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    assembly = fakes.FakeAssembly(fakes.FakeEvaluator(), RandomSampler(seed=1))
    with working_storage(run, CONFIG) as storage:
        create_study(storage, run, CONFIG, SPACE)
    run_worker(run, 0, assembly)
    in_file = read_study(run).get_trials()
    in_memory = _play(fakes.FakeEvaluator()).get_trials()
    assert [_essence(trial) for trial in in_memory] == [_essence(trial) for trial in in_file]
    assert any(record.duplicate_of is not None for record in read_records(read_study(run)))


def test_failing_candidates_are_replaced_and_end_the_search_in_the_end() -> None:
    def fail_three_times(genotype: Genotype) -> None:
        if len(evaluator.seen) <= 3:
            raise RuntimeError("no memory")

    evaluator = fakes.FakeEvaluator(fail_three_times)
    assert len(_play(evaluator, trials=2).get_trials()) == 5
    evaluator.seen.clear()
    with pytest.raises(SearchError, match="3 candidates in a row failed"):
        _play(evaluator, trials=2, failures_in_a_row=3)


def test_what_is_written_together_is_written_at_the_end() -> None:
    storage = MemoryStorage()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    with storage.together():
        chosen = trial.suggest_categorical("operation", ("sum", "cat"))
        trial.set_user_attr("quality", 0.25)
        assert study.get_trials()[0].user_attrs == study.get_trials()[0].params == {}
    (read,) = study.get_trials()
    assert (read.params, read.user_attrs) == ({"operation": chosen}, {"quality": 0.25})


def test_nothing_is_written_of_a_block_that_raises() -> None:
    storage = MemoryStorage()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    with pytest.raises(ZeroDivisionError), storage.together():
        trial.set_user_attr("quality", 1 / 1)
        trial.set_user_attr("reward", 1 / 0)
    trial.set_user_attr("later", 1)
    assert study.get_trials()[0].user_attrs == {"later": 1}
