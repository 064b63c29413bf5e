"""Successive halving, and finalists."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import search_fakes as fakes
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.evaluation.evaluation import Rung
from nas.searching import search
from nas.searching.promotion import FrontSoFar, RewardsSoFar, dominates, is_promoted, rewards_at
from nas.searching.records import read_records
from nas.searching.sections import PromotionSettings
from nas.searching.study import read_study
from rewards import Penalty, Reward
from search_spaces.genotype import Genotype

THIRD = PromotionSettings(reduction=3, at_once=2)


def test_the_first_candidates_are_promoted_unseen() -> None:
    assert is_promoted(0.1, [], THIRD)
    assert is_promoted(0.1, [0.9], THIRD)
    assert not is_promoted(0.1, [0.9, 0.8], THIRD)


def test_about_one_in_three_is_promoted() -> None:
    rivals = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert is_promoted(0.65, rivals, THIRD)
    assert not is_promoted(0.55, rivals, THIRD)


def test_the_best_of_few_is_always_promoted() -> None:
    assert is_promoted(0.9, [0.1, 0.2], PromotionSettings(reduction=100, at_once=1))


def _trial(number: int, state: TrialState, **attributes: Any) -> optuna.trial.FrozenTrial:
    value = 0.0 if state == TrialState.COMPLETE else None
    trial = create_trial(state=state, value=value, user_attrs=attributes)
    trial.number = number
    return trial


def test_rivals_are_all_others_that_were_trained_to_the_rung() -> None:
    reached = {"rungs": {"stage0": 0.5}, "costs": {"flops": 4.0}}
    trials = [
        _trial(0, TrialState.COMPLETE, **reached),
        _trial(1, TrialState.RUNNING, **reached),
        _trial(2, TrialState.RUNNING),
        _trial(3, TrialState.FAIL, **reached),
        _trial(4, TrialState.COMPLETE, **reached, duplicate_of=0),
        _trial(5, TrialState.COMPLETE, rungs={"stage1": 0.5}, costs={"flops": 4.0}),
        _trial(6, TrialState.RUNNING, **reached),
    ]
    reward = Reward(("eye",), penalties=(Penalty("flops", 1.0, -0.5),))
    # 0.5 times (4 / 1) ** -0.5, of the trials 0 and 1.
    assert rewards_at("stage0", trials, 6, reward) == pytest.approx([0.25, 0.25])


class _Climbing(fakes.FakeEvaluator):
    """Half of the final score shows at the rung."""

    def evaluate(self, genotype: Genotype, seed: int, decide: Callable[[Rung], bool]) -> Any:
        left, right, _ = genotype.value
        costs = {"flops": 1.0, "params": 1.0}
        final = (left + right) / 100
        stopped = not decide(Rung("half", {"f1": {"eye": final / 2}}, costs))
        evaluation = fakes.FakeEvaluation(final / 2 if stopped else final, 1.0)
        record = evaluation.to_record() | {
            "rung": "half" if stopped else "final",
            "stopped": stopped,
        }
        evaluation.to_record = lambda: record
        return evaluation


def test_a_search_cuts_the_training_of_most_candidates_short(tmp_path: Path) -> None:
    assembly = fakes.FakeAssembly(evaluator=_Climbing(), sampler=optuna.samplers.RandomSampler(0))
    config = fakes.config(trials=30, promotion={"reduction": 3, "at_once": 3})
    run = search.start(config, tmp_path / "run", assembly, "")
    records = [r for r in read_records(read_study(run)) if r.repeats is None]
    stopped = [r for r in records if r.stopped]
    assert 0.3 < len(stopped) / len(records) < 0.85
    assert {r.stopped for r in stopped} == {"half"}
    assert all(list(r.rungs) == ["half"] for r in stopped)
    finished = [r for r in records if not r.stopped]
    assert all(list(r.rungs) == ["half", "final"] for r in finished)
    best = max(records, key=lambda r: r.rungs["half"])
    assert best.stopped is None


def test_without_promotion_every_candidate_is_trained_to_its_end(tmp_path: Path) -> None:
    assembly = fakes.FakeAssembly(evaluator=_Climbing(), sampler=optuna.samplers.RandomSampler(0))
    run = search.start(fakes.config(trials=6), tmp_path / "run", assembly, "")
    assert all(r.stopped is None for r in read_records(read_study(run)))


def test_rewards_that_are_kept_are_those_of_all_trials() -> None:
    rng = random.Random(0)
    reward = Reward(("eye",), penalties=(Penalty("flops", 10.0, -0.5),))
    kept, trials = RewardsSoFar(reward), []
    compared = 0
    for number in range(80):
        state = rng.choice((TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL))
        rungs = {name: rng.random() for name in ("a", "b")[: rng.randrange(3)]}
        attributes = {"rungs": rungs, "costs": {"flops": rng.uniform(1, 20)}}
        if rng.random() < 0.2:
            attributes["duplicate_of"] = 0
        value = [1.0] if state == TrialState.COMPLETE else None
        trial = create_trial(state=state, values=value, user_attrs=attributes)
        trial.number = number
        trials.append(trial)
        for late in trials:
            if late.state == TrialState.RUNNING and late is not trial and rng.random() < 0.05:
                trials[late.number] = _ended(late)
        if state == TrialState.RUNNING:
            found = kept.at("b", trials, number)
            assert sorted(found) == sorted(rewards_at("b", trials, number, reward))
            compared += bool(found)
    assert compared > 10


def _ended(trial: FrozenTrial) -> FrozenTrial:
    ended = create_trial(values=[1.0], user_attrs=trial.user_attrs)
    ended.number = trial.number
    return ended


def _valued(*values: float, **attributes: Any) -> FrozenTrial:
    return create_trial(values=list(values), user_attrs=attributes)


def _numbered(*trials: FrozenTrial) -> list[FrozenTrial]:
    for number, trial in enumerate(trials):
        trial.number = number
    return list(trials)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.5, 3.0), (0.5, 4.0), True),
        ((0.6, 3.0), (0.5, 3.0), True),
        ((0.5, 3.0), (0.5, 3.0), False),
        ((0.6, 4.0), (0.5, 3.0), False),
        ((0.6,), (0.5,), True),
    ],
)
def test_dominance(one: tuple[float, ...], other: tuple[float, ...], expected: bool) -> None:
    assert dominates(one, other) == expected


def test_the_first_candidate_is_a_finalist() -> None:
    assert FrontSoFar().would_include((0.1, 9.0), [])


def test_a_finalist_is_not_dominated_by_what_has_finished() -> None:
    trials = _numbered(_valued(0.5, 3.0), _valued(0.8, 9.0), _valued(0.4, 5.0))
    front = FrontSoFar()
    assert front.would_include((0.6, 5.0), trials)
    assert not front.would_include((0.45, 4.0), trials)
    assert not front.would_include((0.8, 9.5), trials)


def test_with_the_quality_alone_only_the_best_so_far_is_one() -> None:
    trials = _numbered(_valued(0.5), _valued(0.7))
    front = FrontSoFar()
    assert not front.would_include((0.6,), trials)
    trials = _numbered(*trials, _valued(0.75))
    assert not front.would_include((0.72,), trials)
    assert front.would_include((0.8,), trials)


def test_trials_that_are_on_no_front_dominate_nothing() -> None:
    trials = _numbered(
        _valued(0.9, 1.0, stopped=True),
        _valued(0.9, 1.0, beyond={"latency": {"limit": 5.0, "value": 6.0}}),
        create_trial(state=TrialState.PRUNED),
        create_trial(state=TrialState.FAIL),
    )
    assert FrontSoFar().would_include((0.5, 2.0), trials)
