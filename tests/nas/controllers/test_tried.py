from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from nas.controllers.learner import Lesson
from nas.controllers.tried import Tried


def lesson(number: int, choices: tuple[int, ...], reward: float) -> Lesson:
    return Lesson(datetime(2024, 1, 1) + timedelta(seconds=number), number, choices, reward)


def test_trials_of_one_network_are_averaged_under_the_first_choices() -> None:
    tried = Tried()
    for number, (network, choices, reward) in enumerate(
        [("a", (0, 1), 0.2), ("b", (1, 1), 0.7), ("a", (1, 0), 0.4), ("a", (0, 1), 0.9)]
    ):
        tried.add(network, lesson(number, choices, reward))
    assert len(tried) == 2
    assert list(tried.networks) == ["a", "b"]
    assert tried.choices([0, 1]).tolist() == [[0, 1], [1, 1]]
    assert tried.rewards == pytest.approx([0.5, 0.7])


def test_ranks_are_by_reward_and_then_by_age() -> None:
    tried = Tried()
    for number, reward in enumerate([0.1, 0.5, 0.3, 0.5]):
        tried.add(number, lesson(number, (number,), reward))
    assert tried.ranked().tolist() == [1, 3, 2, 0]
