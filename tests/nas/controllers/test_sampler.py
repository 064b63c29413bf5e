from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.controllers import create
from nas.controllers.sampler import DRAW_KEY, ControllerSampler
from search_spaces.space import SearchSpace

Reward = Callable[[FrozenTrial], float | None]
Propose = Callable[[optuna.Study, SearchSpace], dict[str, Any]]
Run = Callable[[Any, SearchSpace, int], optuna.Study]
MakeObjective = Callable[[SearchSpace], Callable[[optuna.Trial], float]]

OURS = ("reinforce", "ppo", "evolution")
SMALL: dict[str, dict[str, Any]] = {
    "reinforce": {"policy": "lstm"},
    "ppo": {},
    "evolution": {"population": 5, "sample": 2},
}


def thirds(study: optuna.Study) -> tuple[float, float]:
    values = [trial.values[0] for trial in study.trials]
    third = len(values) // 3
    return float(np.mean(values[:third])), float(np.mean(values[-third:]))


@pytest.mark.parametrize("name", OURS)
def test_fresh_sampler_proposes_what_the_long_lived_one_does(
    name: str, space: SearchSpace, reward: Reward, run: Run, propose: Propose
) -> None:
    study = run(create(name, space, reward, 3, **SMALL[name]), space, 25)
    expected = propose(study, space)
    study.sampler = create(name, space, reward, 3, **SMALL[name])
    # The proposal is for the next trial number: hide the trial that was just asked for.
    copied = optuna.create_study(direction="maximize", sampler=study.sampler)
    copied.add_trials(study.get_trials(states=(TrialState.COMPLETE,)))
    assert propose(copied, space) == expected
    copied.sampler = create(name, space, reward, 4, **SMALL[name])
    assert propose(copied, space) != expected


@pytest.mark.parametrize("name", OURS)
def test_two_workers_reach_the_state_of_one(
    name: str,
    space: SearchSpace,
    reward: Reward,
    run: Run,
    objective: MakeObjective,
) -> None:
    alone = run(create(name, space, reward, 0, **SMALL[name]), space, 20)
    workers = [create(name, space, reward, 0, **SMALL[name]) for _ in range(2)]
    shared = optuna.create_study(direction="maximize")
    for number in range(20):
        shared.sampler = workers[number % 2]
        shared.optimize(objective(space), n_trials=1)
    assert [trial.params for trial in shared.trials] == [trial.params for trial in alone.trials]


def test_workers_that_run_at_the_same_time_propose_different_candidates(
    space: SearchSpace, reward: Reward, propose: Propose
) -> None:
    study = optuna.create_study(direction="maximize")
    proposals = []
    for _ in range(4):
        study.sampler = create("reinforce", space, reward, 0)
        proposals.append(tuple(propose(study, space).values()))
    assert len(set(proposals)) == 4


@pytest.mark.parametrize(
    ("name", "settings", "trials"),
    [
        ("reinforce", {}, 90),
        ("ppo", {}, 150),
        ("ppo", {"policy": "independent"}, 120),
        ("evolution", {"population": 10, "sample": 4}, 90),
    ],
)
def test_controller_learns(
    name: str,
    settings: dict[str, Any],
    trials: int,
    space: SearchSpace,
    reward: Reward,
    run: Run,
) -> None:
    first, last = thirds(run(create(name, space, reward, 0, **settings), space, trials))
    assert last > first + 0.1


def test_reinforce_with_lstm_learns_what_decisions_of_a_kind_share(
    space: SearchSpace, reward: Reward
) -> None:
    def share_of_first_option(trial: optuna.Trial) -> float:
        taken = [trial.suggest_categorical(d.name, d.options) for d in space.decisions]
        return float(
            np.mean([o == d.options[0] for o, d in zip(taken, space.decisions, strict=True)])
        )

    sampler = create("reinforce", space, reward, 0, policy="lstm")
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(share_of_first_option, n_trials=90)
    _, last = thirds(study)
    assert last > 0.6  # a uniform draw gives 0.23


def test_random_does_not_learn(space: SearchSpace, reward: Reward, run: Run) -> None:
    first, last = thirds(run(create("random", space, reward, 0), space, 120))
    assert abs(last - first) < 0.1


@pytest.mark.parametrize("rewarded", [None, math.nan, math.inf])
def test_trials_without_a_finite_reward_are_not_learned_from(
    rewarded: float | None, space: SearchSpace, run: Run
) -> None:
    sampler = create("reinforce", space, lambda trial: rewarded, 0)
    assert isinstance(sampler, ControllerSampler)
    run(sampler, space, 5)
    assert sampler.learned == 0


@pytest.mark.parametrize(
    ("known", "learned"),
    [
        ({}, 1),
        ({"failure": "interrupted"}, 1),
        ({"failure": "out of memory"}, 2),
        ({"empty": 1}, 2),
    ],
)
def test_of_failed_trials_those_whose_candidate_is_at_fault_are_learned_from(
    known: dict[str, Any], learned: int, space: SearchSpace, propose: Propose
) -> None:
    sampler = create("reinforce", space, lambda trial: 1.0, 0)
    assert isinstance(sampler, ControllerSampler)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    states = (TrialState.FAIL, TrialState.PRUNED, TrialState.COMPLETE)
    for state in states:
        trial = study.ask()
        if state is TrialState.FAIL:
            for name, value in known.items():
                trial.set_user_attr(name, value)
        for decision in space.decisions:
            trial.suggest_categorical(decision.name, decision.options)
        study.tell(trial, 0.5 if state is TrialState.COMPLETE else None, state)
    propose(study, space)
    assert sampler.learned == learned


def test_reward_is_asked_for_once_per_trial(space: SearchSpace, run: Run) -> None:
    asked: list[int] = []

    def count(trial: FrozenTrial) -> float:
        asked.append(trial.number)
        return 0.5

    run(create("evolution", space, count, 0), space, 10)
    assert asked == list(range(9))


def test_log_prob_of_the_draw_is_recorded(space: SearchSpace, reward: Reward, run: Run) -> None:
    study = run(create("reinforce", space, reward, 0, policy="independent"), space, 2)
    record = study.trials[0].system_attrs[DRAW_KEY]
    assert record["log_prob"] == pytest.approx(-6 * math.log(5) - 2 * math.log(3), abs=1e-4)
    options = [d.options[c] for d, c in zip(space.decisions, record["choices"], strict=True)]
    assert options == list(study.trials[0].params.values())


def test_enqueued_trials_are_learned_from_without_a_log_prob(
    space: SearchSpace, reward: Reward, objective: MakeObjective, propose: Propose
) -> None:
    sampler = create("ppo", space, reward, 0, interval=1)
    assert isinstance(sampler, ControllerSampler)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({decision.name: decision.options[-1] for decision in space.decisions})
    study.enqueue_trial({d.name: d.options[-1] for d in space.decisions[:4]})
    study.optimize(objective(space), n_trials=2)
    propose(study, space)
    assert sampler.learned == 2
    whole, part = (sampler._lesson(trial) for trial in study.get_trials(deepcopy=False)[:2])
    assert whole is not None and whole.log_prob is None
    assert part is not None and part.log_prob is None


def test_trials_of_other_parameters_are_passed_over(
    space: SearchSpace, reward: Reward, propose: Propose
) -> None:
    sampler = create("evolution", space, reward, 0)
    assert isinstance(sampler, ControllerSampler)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trial(create_trial(value=1.0))
    propose(study, space)
    assert sampler.learned == 0


@pytest.mark.parametrize("name", OURS)
def test_study_may_have_several_objectives(
    name: str, space: SearchSpace, reward: Reward, objective: MakeObjective
) -> None:
    quality = objective(space)
    sampler = create(name, space, reward, 0, **SMALL[name])
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(lambda trial: (quality(trial), 1.0), n_trials=8)
    assert isinstance(sampler, ControllerSampler)
    assert sampler.learned == 7


def test_parameter_outside_the_space_is_drawn_from_the_seed(
    space: SearchSpace, reward: Reward
) -> None:
    drawn = []
    for seed in (0, 0, 1):
        study = optuna.create_study(sampler=create("evolution", space, reward, seed))
        drawn.append([study.ask().suggest_float("rate", 0, 1) for _ in range(3)])
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 3


def test_state_survives_storage_on_disk(
    space: SearchSpace, reward: Reward, run: Run, objective: MakeObjective, tmp_path: Any
) -> None:
    memory = run(create("ppo", space, reward, 0), space, 10)
    for _ in range(2):
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        study = optuna.create_study(
            study_name="s", storage=storage, direction="maximize", load_if_exists=True
        )
        study.sampler = create("ppo", space, reward, 0)
        study.optimize(objective(space), n_trials=5)
    assert [trial.params for trial in study.trials] == [trial.params for trial in memory.trials]


def test_global_random_state_is_left_alone(
    space: SearchSpace, reward: Reward, propose: Propose
) -> None:
    before = torch.random.get_rng_state()
    study = optuna.create_study(sampler=create("ppo", space, reward, 0))
    propose(study, space)
    assert torch.equal(torch.random.get_rng_state(), before)
