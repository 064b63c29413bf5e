from __future__ import annotations

import copy
from datetime import datetime, timedelta

import numpy as np
import pytest

from nas.controllers.learner import Lesson
from nas.controllers.predictor import (
    Predictor,
    PredictorSettings,
    model_start,
    normal_scores,
)
from nas.controllers.spread import spread
from search_spaces import create
from search_spaces.space import SearchSpace


def lesson(number: int, choices: tuple[int, ...], reward: float) -> Lesson:
    return Lesson(datetime(2024, 1, 1) + timedelta(seconds=number), number, choices, reward)


def share_of_targets(choices: tuple[int, ...]) -> float:
    return sum(choice == place % 3 for place, choice in enumerate(choices)) / len(choices)


def searched(space: SearchSpace, trials: int, seed: int = 0, startup: int = 10) -> list[Lesson]:
    learner = Predictor(space, seed, PredictorSettings(startup=startup))
    lessons: list[Lesson] = []
    for number in range(trials):
        choices = learner.draw(np.random.default_rng((seed, number))).choices
        lessons.append(lesson(number, choices, share_of_targets(choices)))
        learner.learn(lessons[-1])
    return lessons


def test_finds_the_best_candidate_in_few_trials(space: SearchSpace) -> None:
    # 1 of 140,625 candidates.
    assert max(found.reward for found in searched(space, 60)) == 1.0


def test_tries_no_network_twice(tiny_space: SearchSpace) -> None:
    tried = {found.choices for found in searched(tiny_space, 12, startup=4)}
    assert len(tried) == 12


def test_goes_on_when_everything_was_tried(tiny_space: SearchSpace) -> None:
    assert len(searched(tiny_space, 14, startup=4)) == 14


def test_draws_of_one_state_differ(space: SearchSpace) -> None:
    learner = Predictor(space, 0, PredictorSettings(startup=10))
    for known in searched(space, 20):
        learner.learn(known)
    drawn = [learner.draw(np.random.default_rng(number)).choices for number in range(8)]
    assert len(set(drawn)) >= 6
    # They are better than random ones, of which a share of 0.22 of the decisions is right.
    assert np.mean([share_of_targets(choices) for choices in drawn]) > 0.45


def test_draw_does_not_depend_on_draws_before(space: SearchSpace) -> None:
    eager, lazy = (Predictor(space, 0, PredictorSettings(startup=10)) for _ in range(2))
    for known in searched(space, 15):
        eager.learn(known)
        lazy.learn(known)
        eager.draw(np.random.default_rng(1))
    again = np.random.default_rng(2)
    assert copy.deepcopy(eager).draw(again) == lazy.draw(np.random.default_rng(2))


def test_only_ranks_of_rewards_matter(space: SearchSpace) -> None:
    plain, bent = (Predictor(space, 0, PredictorSettings(startup=10)) for _ in range(2))
    for known in searched(space, 15):
        plain.learn(known)
        bent.learn(lesson(known.number, known.choices, float(np.exp(9 * known.reward) - 5)))
    assert plain.draw(np.random.default_rng(3)) == bent.draw(np.random.default_rng(3))


def test_many_trials_are_learned_in_steps() -> None:
    starts = [model_start(count) for count in range(1, 5001)]
    assert starts[:150] == list(range(1, 151))
    assert starts[149:160] == [150] * 3 + [153] * 4 + [157] * 4
    # A fit is as seldom as one trial in fifty, and never lags by more than that.
    assert len(set(starts[150:])) < 0.06 * 4850
    assert all(count - start < 0.02 * start + 1 for count, start in enumerate(starts, 1))


def test_between_two_fits_a_restarted_worker_draws_the_same(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    options = [len(decision.options) for decision in space.decisions]
    lessons = []
    for number in range(156):
        choices = tuple(rng.integers(options).tolist())
        lessons.append(lesson(number, choices, share_of_targets(choices)))
    long_lived = Predictor(space, 0, PredictorSettings())
    for count, known in enumerate(lessons, 1):
        long_lived.learn(known)
        if count in (150, 152, 153):
            long_lived.draw(np.random.default_rng(count))
    restarted = Predictor(space, 0, PredictorSettings())
    for known in lessons:
        restarted.learn(known)
    drawn = long_lived.draw(np.random.default_rng(5))
    assert drawn == restarted.draw(np.random.default_rng(5))
    assert drawn == copy.deepcopy(long_lived).draw(np.random.default_rng(5))


def test_searches_a_large_space() -> None:
    rewards = [found.reward for found in searched(create("fastnas", branches=3), 30)]
    assert np.mean(rewards[-10:]) > np.mean(rewards[:10]) + 0.15


def test_normal_scores_are_quantiles_of_ranks() -> None:
    # Quantiles of 1/6, 1/2 and 5/6.
    assert normal_scores(np.array([7.0, 100.0, -3.0])) == pytest.approx(
        [0, 0.96742, -0.96742], abs=1e-4
    )
    assert normal_scores(np.array([1.0, 1.0])) == pytest.approx([0, 0])


def test_model_is_fitted_to_the_best_and_a_spread_of_the_others() -> None:
    ranked = np.arange(100, 200)
    assert spread(ranked, 100) is ranked
    assert spread(ranked, 6).tolist() == [100, 101, 102, 103, 151, 199]
