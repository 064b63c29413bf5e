from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
import pytest
import search_fakes as fakes
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import INTERRUPTED, SURPLUS
from nas.errors import UserError
from nas.evaluation.evaluation import EmptyNetworkError, EvaluationError
from nas.searching.assembly import Confirm, Parts
from nas.searching.limits import Breach
from nas.searching.places import Places, WorkerIdentity
from nas.searching.records import record_of, trained
from nas.searching.run_folder import RunFolder
from nas.searching.study import create_study, working_storage
from nas.searching.trial import TrialError, TrialRunner, origin_of
from search_spaces.genotype import Genotype

Run = Callable[..., FrozenTrial]


@pytest.fixture(name="search")
def _search(tmp_path: Path) -> Iterator[tuple[optuna.Study, fakes.FakeEvaluator, Run]]:
    config = fakes.config(trials=10)
    run = RunFolder.create(tmp_path / "run", config)
    evaluator = fakes.FakeEvaluator()
    with working_storage(run, config) as storage:
        study = create_study(storage, run, config, fakes.PairSpace())

        def run_trial(
            objectives: tuple[str, ...] = config.objectives,
            limits: Mapping[str, float] = MappingProxyType({}),
            confirm: Confirm | None = None,
            **choices: Any,
        ) -> Any:
            parts = Parts(
                *(fakes.PairSpace(), fakes.REWARD, study.sampler, evaluator),
                known_costs=fakes.known_costs,
                confirm=confirm,
            )
            places = Places(study, storage, 60.0)
            origin = origin_of(WorkerIdentity.of_this_process(0), "cpu", 0)
            runner = TrialRunner(parts, objectives, 0, origin, places, storage, limits, poll=0.01)
            study.enqueue_trial(choices)
            study.optimize(runner, n_trials=1, catch=(TrialError,))
            return study.get_trials()[-1]

        yield study, evaluator, run_trial


def _raise(error: BaseException) -> Callable[[Genotype], None]:
    def hook(genotype: Genotype) -> None:
        raise error

    return hook


def test_everything_observed_is_recorded(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    trial = search[2](left=2, right=3, operation="add")
    record = record_of(trial)
    assert trial.values == [0.05, 7.0]
    assert record.genotype == '[2,3,"add"]'
    assert record.canonical_key == "2,3,add"
    assert record.quality == 0.05
    assert record.costs == {"flops": 7.0, "params": 10.0}
    assert record.scores == {"f1": {"eye": 0.05}}
    assert record.curves == {"stage0": [2.0, 1.0]}
    assert record.seconds["stage0"] == 0.1
    assert record.seconds["total"] > 0
    assert record.origin["device"] == "cpu"
    assert record.origin["seed"] == 0
    assert record.failure is None


def test_an_isomorphic_genotype_is_not_trained_again(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    _, evaluator, run = search
    first = run(left=2, right=3, operation="add")
    second = run(left=3, right=2, operation="add")
    third = run(left=2, right=3, operation="add")
    assert evaluator.seen == ['[2,3,"add"]']
    assert second.values == first.values
    assert record_of(second).genotype == '[3,2,"add"]'
    assert record_of(second).scores == record_of(first).scores
    assert (record_of(second).repeats, record_of(third).repeats) == (0, 0)


def test_a_candidate_that_is_being_trained_elsewhere_is_waited_for(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, evaluator, run = search
    with pytest.warns(UserWarning, match="Heartbeat"):
        other = study.ask()
    worker = WorkerIdentity.of_this_process(1).to_record()
    other.set_user_attr("origin", {"seed": 0, "worker": worker})
    other.set_user_attr("canonical_key", "2,3,add")

    def finish_the_other(seconds: float) -> None:
        for key, value in fakes.FakeEvaluation(0.9, 4.0).to_record().items():
            other.set_user_attr(key, value)
        other.set_user_attr("quality", 0.9)
        study.tell(other, [0.9, 4.0])

    monkeypatch.setattr("nas.searching.trial.time.sleep", finish_the_other)
    trial = run(left=2, right=3, operation="add")
    assert trial.values == [0.9, 4.0]
    assert record_of(trial).repeats == other.number
    assert evaluator.seen == []


def test_a_failing_candidate_fails_with_its_reason(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    _, evaluator, run = search
    evaluator.hook = _raise(RuntimeError("out of memory\nwhile training"))
    trial = run(left=2, right=3, operation="add")
    assert trial.state == TrialState.FAIL
    assert trial.values is None
    assert record_of(trial).failure == "RuntimeError: out of memory while training"


def test_controllers_are_told_of_a_candidate_that_is_no_network(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    _, evaluator, run = search
    evaluator.hook = _raise(EmptyNetworkError("no path"))
    trial = run(left=2, right=3, operation="add")
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["empty"] is True
    evaluator.hook = _raise(EvaluationError("diverged"))
    assert "empty" not in run(left=2, right=4, operation="add").user_attrs


def test_a_failed_candidate_is_tried_again(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    _, evaluator, run = search
    evaluator.hook = _raise(RuntimeError("once"))
    run(left=2, right=3, operation="add")
    evaluator.hook = lambda genotype: None
    assert run(left=2, right=3, operation="add").values == [0.05, 7.0]


def test_a_score_that_is_not_a_number_fails_the_candidate(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    nan = fakes.FakeEvaluation(float("nan"), 1.0)
    monkeypatch.setattr(search[1], "evaluate", lambda genotype, seed, decide: nan)
    trial = search[2](left=2, right=3, operation="add")
    assert trial.state == TrialState.FAIL
    assert "'eye'" in (record_of(trial).failure or "")


def test_an_infinite_cost_fails_the_candidate(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    infinite = fakes.FakeEvaluation(0.5, float("inf"))
    monkeypatch.setattr(search[1], "evaluate", lambda genotype, seed, decide: infinite)
    trial = search[2](left=2, right=3, operation="add")
    assert record_of(trial).failure == "flops is inf"


def test_a_penalised_cost_that_is_not_measured_ends_the_worker(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    with pytest.raises(UserError, match=r"does not measure 'latency'.*flops, params"):
        search[2](("quality", "latency"), left=2, right=3, operation="add")


def test_a_defect_ends_the_worker_and_is_recorded(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    study, evaluator, run = search
    evaluator.hook = _raise(TypeError("a defect"))
    with pytest.raises(TypeError, match="a defect"):
        run(left=2, right=3, operation="add")
    assert record_of(study.get_trials()[0]).failure == "TypeError: a defect"


def test_an_interrupt_fails_the_trial_and_goes_on_up(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    study, evaluator, run = search
    evaluator.hook = _raise(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(left=2, right=3, operation="add")
    assert record_of(study.get_trials()[0]).failure == INTERRUPTED


def test_a_candidate_beyond_a_limit_is_not_trained(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    _, evaluator, run = search
    trial = run(left=2, right=3, operation="add", limits={"flops": 6.0, "params": 20.0})
    record = record_of(trial)
    assert (trial.state, trial.values, evaluator.seen) == (TrialState.PRUNED, None, [])
    assert record.costs == {"flops": 7.0, "params": 10.0}
    assert record.beyond == {"flops": Breach(6.0, 7.0)}
    assert (record.failure, record.genotype) == (None, '[2,3,"add"]')
    assert trial.constraints == pytest.approx({"flops": 1 / 6, "params": -0.5})


def test_candidates_beyond_a_limit_take_no_place(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    study, evaluator, run = search
    study.set_user_attr("trials", 1)
    for left in (4, 5):
        run(left=left, right=3, operation="add", limits={"flops": 7.0})
    trial = run(left=2, right=3, operation="add", limits={"flops": 7.0})
    assert (trial.state, evaluator.seen) == (TrialState.COMPLETE, ['[2,3,"add"]'])
    assert record_of(trial).beyond == {}


def test_a_known_cost_that_is_infinite_fails_the_candidate(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fakes, "known_costs", lambda genotype: {"flops": float("inf")})
    trial = search[2](left=2, right=3, operation="add", limits={"flops": 6.0})
    assert record_of(trial).failure == "flops is inf"


def test_costs_that_cannot_be_known_fail_the_candidate(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fakes, "known_costs", _raise(EvaluationError("no row")))
    trial = search[2](left=2, right=3, operation="add", limits={"flops": 6.0})
    assert record_of(trial).failure == "EvaluationError: no row"


def test_limits_need_known_costs() -> None:
    parts = Parts(fakes.PairSpace(), fakes.REWARD, RandomSampler(), fakes.FakeEvaluator())
    with pytest.raises(ValueError, match="limits need costs that are known before training"):
        TrialRunner(parts, ("quality",), 0, {}, None, None, {"flops": 1.0})  # type: ignore[arg-type]


def _confirming(flops: float) -> tuple[list[str], Confirm]:
    asked: list[str] = []

    def confirm(genotype: Genotype, record: dict[str, Any]) -> dict[str, Any]:
        asked.append(str(genotype))
        return record | {"costs": {**record["costs"], "flops": flops}}

    return asked, confirm


def test_finalists_are_confirmed_before_their_values_count(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    asked, confirm = _confirming(9.0)
    run = search[2]
    first = run(left=2, right=3, operation="add", confirm=confirm)
    dominated = run(left=1, right=9, operation="multiply", confirm=confirm)
    repeated = run(left=3, right=2, operation="add", confirm=confirm)
    assert first.values == [0.05, 9.0]
    assert dominated.values == [0.1, 9.0]
    # Less quality than both, and as predicted more FLOPs than either was measured to have.
    worse = run(left=0, right=4, operation="multiply", confirm=confirm)
    assert worse.values == [0.04, 9.0]
    behind = run(left=3, right=6, operation="multiply", confirm=confirm)
    assert asked == ['[2,3,"add"]', '[1,9,"multiply"]', '[0,4,"multiply"]']
    assert repeated.values == [0.05, 9.0]
    assert behind.values == [0.09, 19.0]


def test_a_finalist_measured_beyond_a_limit_is_told_but_counts(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    run = search[2]
    _, confirm = _confirming(9.0)
    trial = run(left=2, right=3, operation="add", limits={"flops": 8.0}, confirm=confirm)
    assert trial.state == TrialState.COMPLETE
    assert record_of(trial).beyond == {"flops": Breach(8.0, 9.0)}
    assert trained([record_of(trial)]) == []
    repeat = run(left=3, right=2, operation="add", limits={"flops": 8.0}, confirm=confirm)
    assert record_of(repeat).beyond == {"flops": Breach(8.0, 9.0)}


def test_a_trial_beyond_the_number_asked_for_is_not_trained(
    search: tuple[optuna.Study, fakes.FakeEvaluator, Run],
) -> None:
    study, evaluator, run = search
    study.set_user_attr("trials", 1)
    run(left=2, right=3, operation="add")
    surplus = run(left=4, right=5, operation="add")
    assert record_of(surplus).failure == SURPLUS
    assert evaluator.seen == ['[2,3,"add"]']
