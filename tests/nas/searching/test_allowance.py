from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import numpy as np
import optuna
import pytest
import search_fakes as fakes
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nas.searching import allowance, interrupts
from nas.searching.allowance import Allowance
from nas.searching.assembly import Parts
from nas.searching.memory_storage import MemoryStorage
from nas.searching.places import Places, WorkerIdentity
from nas.searching.records import read_records
from nas.searching.sections import CandidateSettings
from nas.searching.study import create_memory_study
from nas.searching.trial import TrialError, TrialRunner, origin_of
from search_spaces.genotype import Genotype


def _finished(seconds: list[float]) -> list[FrozenTrial]:
    found = []
    for number, taken in enumerate(seconds):
        trial = optuna.trial.create_trial(
            state=TrialState.COMPLETE, value=1.0, user_attrs={"seconds": {"total": taken}}
        )
        trial.number, trial.datetime_complete = number, datetime.now()
        found.append(trial)
    return found


@pytest.mark.parametrize(
    ("taken", "limit"),
    [
        ([], 86400.0),
        ([1.0, 1.0], 86400.0),
        ([1.0, 2.0, 3.0], 600.0),
        ([90.0, 100.0, 500.0], 1000.0),
    ],
)
def test_the_automatic_limit_is_ten_medians(taken: list[float], limit: float) -> None:
    assert Allowance(CandidateSettings()).seconds(_finished(taken)) == limit


def _run(settings: CandidateSettings, evaluator: fakes.FakeEvaluator) -> list[str | None]:
    config = fakes.config(trials=2)
    storage, sampler = MemoryStorage(), RandomSampler(seed=1)
    study = create_memory_study(storage, config, fakes.PairSpace(), sampler)
    runner = TrialRunner(
        Parts(fakes.PairSpace(), fakes.REWARD, sampler, evaluator),
        config.objectives,
        0,
        origin_of(WorkerIdentity.of_this_process(0), "cpu", 0),
        Places(study, storage, 60.0),
        storage,
        allowance=Allowance(settings),
    )
    with interrupts.handled(), interrupts.held():
        study.optimize(runner, n_trials=2, catch=(TrialError,))
    return [record.failure for record in read_records(study)]


def test_a_candidate_that_hangs_fails_and_the_next_one_runs() -> None:
    def hang_first(genotype: Genotype) -> None:
        if len(evaluator.seen) == 1:
            time.sleep(600)

    evaluator = fakes.FakeEvaluator(hang_first)
    failures = _run(CandidateSettings(seconds=0.5), evaluator)
    assert failures == ["it took longer than 0.5 s", None]


def test_a_candidate_that_swallows_errors_is_interrupted_again() -> None:
    def hang_first(genotype: Genotype) -> None:
        if len(evaluator.seen) == 1:
            try:
                time.sleep(600)
            except Exception:  # noqa: BLE001  as candidates do
                time.sleep(600)

    evaluator = fakes.FakeEvaluator(hang_first)
    assert _run(CandidateSettings(seconds=1), evaluator) == ["it took longer than 1 s", None]


def test_a_candidate_that_allocates_without_end_fails() -> None:
    def allocate_first(genotype: Genotype) -> None:
        held = []
        while len(evaluator.seen) == 1:
            held.append(bytes(2**20))
            time.sleep(0.001)

    evaluator = fakes.FakeEvaluator(allocate_first)
    # Interrupted in time: the process of the tests has less than this now.
    limit = 100 * 2**20 + _resident()
    failures = _run(CandidateSettings(seconds=None, memory=limit), evaluator)
    assert failures == [f"it needed more than {limit / 2**20:.0f} MiB of memory", None]


def test_a_candidate_that_ends_the_interpreter_fails() -> None:
    def exit_first(genotype: Genotype) -> None:
        if len(evaluator.seen) == 1:
            raise SystemExit(3)

    evaluator = fakes.FakeEvaluator(exit_first)
    failures = _run(CandidateSettings(), evaluator)
    assert failures == ["it ended the interpreter with exit code 3", None]


def _resident() -> int:
    return allowance._needed()


def test_mapped_files_are_not_counted_as_memory_that_a_candidate_needs(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(2**26))
    before = _resident()
    mapped = np.memmap(file, np.uint8, "c")
    assert mapped.sum() == 0
    assert _resident() - before < 2**25
