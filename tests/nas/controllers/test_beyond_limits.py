"""Searches in which few candidates are within the limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState

from nas import controllers
from nas.controllers.evolution import Evolution, EvolutionSettings
from nas.controllers.learner import Learner, Lesson
from nas.controllers.local_search import LocalSearch, LocalSearchSettings
from nas.controllers.nsga2 import PymooNSGA2, PymooNSGA2Settings
from nas.controllers.ppo import PPO, PPOSettings
from nas.controllers.predictor import Predictor, PredictorSettings
from nas.controllers.preference import PreferenceSearch, PreferenceSettings
from nas.controllers.reinforce import REINFORCE, REINFORCESettings
from nas.controllers.sampler import BEYOND, ControllerSampler
from search_spaces.space import SearchSpace

TRIALS = 10
LIMIT = 6
_COSTS = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}


def lesson(number: int, choices: tuple[int, ...], reward: float, excess: float = 0.0) -> Lesson:
    completed = datetime(2024, 1, 1) + timedelta(seconds=number)
    values = () if excess else (reward,)
    return Lesson(completed, number, choices, reward, values=values, excess=excess)


def _cost(choices: Mapping[str, Any]) -> int:
    return sum(_COSTS.get(option, 0) for option in choices.values())


def _search(name: str, space: SearchSpace, trials: int) -> optuna.Study:
    """Of the 15,625 sets of operations, 882 cost 6 at most, which are 5.6 %."""

    def evaluate(trial: optuna.Trial) -> float:
        choices = {d.name: trial.suggest_categorical(d.name, d.options) for d in space.decisions}
        cost = _cost(choices)
        trial.set_constraint("cost", cost / LIMIT - 1)
        if cost > LIMIT:
            trial.set_user_attr(BEYOND, {"cost": {"limit": LIMIT, "value": cost}})
            raise optuna.TrialPruned
        return float(cost)

    sampler = controllers.create(name, space, lambda trial: trial.value, 0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    while _count(study, TrialState.COMPLETE) < trials and len(study.trials) < 100 * trials:
        study.optimize(evaluate, n_trials=1)
    return study


def _count(study: optuna.Study, state: TrialState) -> int:
    return sum(trial.state == state for trial in study.get_trials(deepcopy=False))


@pytest.mark.parametrize("name", sorted(set(controllers.names()) - {"random", "nsga2"}))
def test_every_controller_that_learns_finds_what_is_within(name: str, space: SearchSpace) -> None:
    study = _search(name, space, TRIALS)
    assert _count(study, TrialState.COMPLETE) == TRIALS
    # At random it would be 17 for each trial within.
    assert _count(study, TrialState.PRUNED) < 16 * TRIALS


@pytest.mark.parametrize("name", ["random", "nsga2"])
def test_what_does_not_learn_of_limits_is_not_hindered(name: str, space: SearchSpace) -> None:
    study = _search(name, space, 2)
    assert _count(study, TrialState.COMPLETE) == 2
    assert _count(study, TrialState.PRUNED) > 0


def test_a_pruned_trial_without_a_limit_is_no_lesson(space: SearchSpace) -> None:
    def evaluate(trial: optuna.Trial) -> float:
        for decision in space.decisions:
            trial.suggest_categorical(decision.name, decision.options)
        raise optuna.TrialPruned

    sampler = controllers.create("evolution", space, lambda trial: trial.value, 0)
    assert isinstance(sampler, ControllerSampler)
    optuna.create_study(direction="maximize", sampler=sampler).optimize(evaluate, n_trials=3)
    assert sampler.learned == 0


def test_a_trial_beyond_a_limit_is_a_lesson_without_reward(space: SearchSpace) -> None:
    lessons: list[Lesson] = []

    class Recorder(REINFORCE):
        def learn(self, lesson: Lesson) -> None:
            lessons.append(lesson)

    def evaluate(trial: optuna.Trial) -> float:
        for decision in space.decisions:
            trial.suggest_categorical(decision.name, decision.options)
        beyond = {"flops": {"limit": 2.0, "value": 3.0}, "params": {"limit": 1.0, "value": 4.0}}
        trial.set_user_attr(BEYOND, beyond)
        if trial.number:
            # Measured beyond them after its training.
            return 0.9
        raise optuna.TrialPruned

    sampler = ControllerSampler(
        space, lambda trial: trial.value, 0, lambda: Recorder(space, 0, REINFORCESettings())
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(evaluate, n_trials=3)
    assert [one.reward for one in lessons] == [0.0, 0.0]
    assert [one.values for one in lessons] == [(), ()]
    assert [one.excess for one in lessons] == pytest.approx([np.log(6.0)] * 2)
    assert not any(one.within_limits or one.log_prob is None for one in lessons)


def test_evolution_has_no_parents_beyond_the_limits(space: SearchSpace) -> None:
    learner = Evolution(space, 0, EvolutionSettings(population=2, sample=2))
    inside = [(1,) * 6 + (0, 0), (2,) * 6 + (0, 0)]
    learner.learn(lesson(0, inside[0], 0.9))
    learner.learn(lesson(1, inside[1], 0.1))
    for number in range(2, 8):
        learner.learn(lesson(number, (4,) * 6 + (2, 2), 0.0, excess=1.0))
    for seed in range(10):
        child = learner.draw(np.random.default_rng(seed)).choices
        assert sum(a != b for a, b in zip(child, inside[0], strict=True)) == 1


def test_local_search_never_moves_beyond_the_limits(space: SearchSpace) -> None:
    learner = LocalSearch(space, 0, LocalSearchSettings())
    centre = (1,) * 6 + (0, 0)
    learner.learn(lesson(0, (0,) * 8, 0.0, excess=1.0))
    learner.learn(lesson(1, centre, -0.5))
    learner.learn(lesson(2, (2,) * 6 + (0, 0), 0.0, excess=1.0))
    for seed in range(10):
        drawn = learner.draw(np.random.default_rng(seed)).choices
        assert sum(a != b for a, b in zip(drawn, centre, strict=True)) == 1


@pytest.mark.parametrize(
    ("learner", "settings"),
    [
        (LocalSearch, LocalSearchSettings()),
        (PymooNSGA2, PymooNSGA2Settings(population_size=2)),
        (Predictor, PredictorSettings(startup=2)),
        (PreferenceSearch, PreferenceSettings(startup=2)),
    ],
)
def test_what_was_beyond_the_limits_is_not_tried_again(
    learner: type[Learner], settings: Any, tiny_space: SearchSpace
) -> None:
    # All but one of the twelve candidates are known, most of them beyond the limits.
    instance = learner(tiny_space, 0, settings)  # type: ignore[call-arg]
    every = [(a, b, c) for a in range(2) for b in range(2) for c in range(3)]
    fresh = (1, 0, 1)
    known = [choices for choices in every if choices != fresh]
    for number, choices in enumerate(known):
        beyond = number not in (0, 5)
        excess = 0.5 if beyond else 0.0
        instance.learn(lesson(number, choices, 0.0 if beyond else 0.5 + number / 10, excess))
    drawn = [instance.draw(np.random.default_rng(seed)).choices for seed in range(5)]
    assert drawn == [fresh] * 5


@pytest.mark.parametrize("learner", [REINFORCE, PPO])
def test_a_policy_leads_to_what_is_within(learner: Any, tiny_space: SearchSpace) -> None:
    settings = {REINFORCE: REINFORCESettings, PPO: PPOSettings}[learner](policy="independent")
    instance = learner(tiny_space, 0, settings)
    for number in range(24):
        beyond = number % 3 > 0
        choices, reward = ((1, 0, 2), 0.0) if beyond else ((0, 1, 1), 0.7)
        instance.learn(lesson(number, choices, reward, excess=0.3 if beyond else 0.0))
    log_probs, _ = instance._policy.score(torch.tensor([(1, 0, 2), (0, 1, 1)]))
    assert float((log_probs[1] - log_probs[0]).detach()) > 1
