from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from nas.controllers.learner import Learner, Lesson
from nas.controllers.local_search import LocalSearch, LocalSearchSettings
from search_spaces.space import SearchSpace


def lesson(number: int, choices: tuple[int, ...], reward: float) -> Lesson:
    return Lesson(datetime(2024, 1, 1) + timedelta(seconds=number), number, choices, reward)


def draws(learner: Learner, count: int = 60) -> set[tuple[int, ...]]:
    return {learner.draw(np.random.default_rng(number)).choices for number in range(count)}


def taught(space: SearchSpace, *rewards: tuple[tuple[int, ...], float]) -> LocalSearch:
    learner = LocalSearch(space, 0, LocalSearchSettings())
    for number, (choices, reward) in enumerate(rewards):
        learner.learn(lesson(number, choices, reward))
    return learner


def test_starts_anywhere(tiny_space: SearchSpace) -> None:
    assert len(draws(taught(tiny_space))) > 8


def test_tries_all_neighbours_of_the_best_and_nothing_else(tiny_space: SearchSpace) -> None:
    learner = taught(tiny_space, ((0, 0, 0), 0.5), ((1, 0, 0), 0.4))
    assert draws(learner) == {(0, 1, 0), (0, 0, 1), (0, 0, 2)}


def test_moves_on_to_a_better_neighbour(tiny_space: SearchSpace) -> None:
    learner = taught(tiny_space, ((0, 0, 0), 0.5), ((1, 0, 0), 0.6))
    assert draws(learner) == {(1, 1, 0), (1, 0, 1), (1, 0, 2)}


def test_starts_again_where_no_neighbour_is_left(tiny_space: SearchSpace) -> None:
    top = [((0, 0, 0), 0.9), ((1, 0, 0), 0.4), ((0, 1, 0), 0.4), ((0, 0, 1), 0.4), ((0, 0, 2), 0.4)]
    untried = {(1, 1, 0), (1, 0, 1), (1, 0, 2), (0, 1, 1), (0, 1, 2), (1, 1, 1), (1, 1, 2)}
    assert draws(taught(tiny_space, *top)) == untried
    # The new climb has a centre of its own, however bad.
    again = taught(tiny_space, *top, ((1, 1, 1), 0.1))
    assert draws(again) == {(0, 1, 1), (1, 0, 1), (1, 1, 2), (1, 1, 0)}


def test_goes_on_when_everything_was_tried(tiny_space: SearchSpace) -> None:
    every = [((a, b, c), 0.1 * a) for a in range(2) for b in range(2) for c in range(3)]
    assert draws(taught(tiny_space, *every)) <= {choices for choices, _ in every}


def test_finds_the_best_of_a_smooth_reward(space: SearchSpace) -> None:
    learner = LocalSearch(space, 0, LocalSearchSettings())
    best = 0.0
    for number in range(120):
        choices = learner.draw(np.random.default_rng((0, number))).choices
        reward = sum(choice == place % 3 for place, choice in enumerate(choices)) / 8
        best = max(best, reward)
        learner.learn(lesson(number, choices, reward))
    assert best == 1.0
