from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import search_fakes as fakes
from optuna.trial import TrialState

from nas.controllers.failures import INTERRUPTED
from nas.errors import UserError
from nas.searching import search
from nas.searching.records import complete_records, read_records
from nas.searching.reward import reward_of
from nas.searching.run_folder import RunFolder
from nas.searching.stop import SearchError
from nas.searching.study import read_study
from search_spaces.genotype import Genotype


def _start(path: Path, assembly: fakes.FakeAssembly = fakes.assembly, **changes: Any) -> RunFolder:
    config = fakes.config(**changes)
    return search.start(config, path, assembly, "search_fakes:assembly")


def _resume(path: Path, assembly: fakes.FakeAssembly = fakes.assembly, **changes: Any) -> RunFolder:
    return search.resume(path, assembly, "search_fakes:assembly", changes=changes)


def test_a_search_completes_what_was_asked(tmp_path: Path) -> None:
    run = _start(tmp_path / "run", trials=3)
    records = read_records(read_study(run))
    assert [(r.number, r.state) for r in records] == [(n, "complete") for n in range(3)]


def test_progress_is_shown_before_the_first_trial_and_after_every_one(tmp_path: Path) -> None:
    looks: list[int] = []
    search.start(
        fakes.config(trials=2),
        tmp_path / "run",
        fakes.assembly,
        "search_fakes:assembly",
        lambda study: looks.append(len(complete_records(study))),
    )
    assert looks == [0, 1, 2]


def test_a_search_that_is_refused_before_it_begins_leaves_its_name_free(tmp_path: Path) -> None:
    class Refusing(fakes.FakeAssembly):
        def prepare(self, run, config):
            raise UserError("nothing is within the limits.")

    with pytest.raises(UserError, match="within the limits"):
        _start(tmp_path / "run", Refusing())
    assert not (tmp_path / "run").exists()


def test_an_interrupted_search_resumes_with_its_trials_kept(tmp_path: Path) -> None:
    def interrupt_at_the_third(genotype: Genotype) -> None:
        if len(evaluator.seen) == 3:
            raise KeyboardInterrupt

    evaluator = fakes.FakeEvaluator(interrupt_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        _start(tmp_path / "run", fakes.FakeAssembly(evaluator), trials=4)
    kept = complete_records(read_study(RunFolder.open(tmp_path / "run")))
    assert len(kept) == 2

    run = _resume(tmp_path / "run")
    records = read_records(read_study(run))
    assert records[:2] == kept
    assert [r.failure for r in records] == [None, None, INTERRUPTED, None, None]


def test_a_resumed_search_can_be_asked_for_more(tmp_path: Path) -> None:
    _start(tmp_path / "run", trials=2)
    run = _resume(tmp_path / "run", trials=3)
    assert len(complete_records(read_study(run))) == 3
    assert run.config().trials == 3


def test_resuming_a_finished_search_trains_nothing(tmp_path: Path) -> None:
    _start(tmp_path / "run", trials=2)
    evaluator = fakes.FakeEvaluator()
    _resume(tmp_path / "run", fakes.FakeAssembly(evaluator))
    assert evaluator.seen == []


def test_what_makes_another_search_cannot_be_changed_on_resume(tmp_path: Path) -> None:
    _start(tmp_path / "run", trials=1)
    with pytest.raises(UserError, match="'seed' cannot be changed with --resume"):
        _resume(tmp_path / "run", seed=5)


def test_the_first_command_can_be_repeated_to_resume(tmp_path: Path) -> None:
    _start(tmp_path / "run", trials=1)
    changes = {"task": "faces", "space.name": "pair", "reward.penalties": [{"cost": "flops"}]}
    assert len(complete_records(read_study(_resume(tmp_path / "run", **changes)))) == 1


def test_other_penalties_cannot_be_asked_for_on_resume(tmp_path: Path) -> None:
    _start(tmp_path / "run", trials=1)
    changes = {"reward.penalties": [{"cost": "params"}]}
    with pytest.raises(UserError, match=r"'reward\.penalties' cannot be changed"):
        _resume(tmp_path / "run", **changes)


def test_failing_candidates_are_replaced_not_counted(tmp_path: Path) -> None:
    def fail_at_first(genotype: Genotype) -> None:
        if len(evaluator.seen) <= 2:
            raise RuntimeError("no memory")

    evaluator = fakes.FakeEvaluator(fail_at_first)
    run = _start(tmp_path / "run", fakes.FakeAssembly(evaluator), trials=2)
    states = [trial.state for trial in read_study(run).get_trials()]
    assert states == [TrialState.FAIL] * 2 + [TrialState.COMPLETE] * 2
    reasons = [record.failure for record in read_records(read_study(run))]
    assert reasons.count("RuntimeError: no memory") == 2


def test_failures_in_a_row_stop_the_search_and_a_resume_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fakes.BEHAVIOUR, json.dumps({"error": "no memory"}))
    with pytest.raises(SearchError, match=r"3 candidates in a row failed.*no memory"):
        _start(tmp_path / "run", trials=2, failures_in_a_row=3)
    monkeypatch.delenv(fakes.BEHAVIOUR)
    run = _resume(tmp_path / "run")
    assert len(read_study(run).get_trials()) == 5
    assert len(complete_records(read_study(run))) == 2


def test_a_worker_whose_trial_was_given_up_goes_on(tmp_path: Path) -> None:
    def lose_the_first(genotype: Genotype) -> None:
        if len(evaluator.seen) == 1:
            read_study(RunFolder(tmp_path / "run")).tell(0, state=TrialState.FAIL)

    evaluator = fakes.FakeEvaluator(lose_the_first)
    run = _start(tmp_path / "run", fakes.FakeAssembly(evaluator), trials=2)
    records = read_records(read_study(run))
    assert [r.failure for r in records] == ["worker lost", None, None]


def test_candidates_that_come_again_repeat_the_first_one(tmp_path: Path) -> None:
    space = {"name": "pair", "options": {"size": 1}}
    records = complete_records(read_study(_start(tmp_path / "run", trials=5, space=space)))
    # One pair with two operations: all but two trials repeat another.
    assert sum(record.repeats is not None for record in records) in (3, 4)


def test_a_study_is_read_again_with_any_penalty(tmp_path: Path) -> None:
    study = read_study(_start(tmp_path / "run", trials=1))
    record = read_records(study)[0]
    flops = record.costs["flops"]
    expected = record.quality * (flops / 10.0) ** -0.5 if record.quality is not None else None
    assert fakes.REWARD(record.scores, record.costs) == pytest.approx(expected)
    assert reward_of(fakes.REWARD)(study.get_trials()[0]) == pytest.approx(expected)


def test_worker_processes_share_the_search(tmp_path: Path) -> None:
    run = _start(tmp_path / "run", trials=6, workers=2)
    assert len(complete_records(read_study(run))) == 6
    assert (run.logs / "worker-0.log").is_file() and (run.logs / "worker-1.log").is_file()
