from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import numpy as np
import pytest

from nas.controllers.history import History
from nas.controllers.learner import Draw, Learner, Lesson


class Recorder(Learner):
    """Remembers the order in which it learned."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.numbers: list[int] = []

    def learn(self, lesson: Lesson) -> None:
        self.numbers.append(lesson.number)

    def draw(self, rng: np.random.Generator) -> Draw:
        return Draw(())


def lesson(number: int, second: float | None = None) -> Lesson:
    seconds = number if second is None else second
    return Lesson(datetime(2024, 1, 1) + timedelta(seconds=seconds), number, (), 0.0)


def numbers(history: History) -> list[int]:
    assert isinstance(history.learner, Recorder)
    return history.learner.numbers


def test_completion_time_orders_lessons_before_their_number() -> None:
    history = History(Recorder)
    history.add([lesson(3, 1.0), lesson(1, 2.0), lesson(2, 1.0)])
    assert numbers(history) == [2, 3, 1]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_order_of_arrival_does_not_matter(order: tuple[int, ...]) -> None:
    history = History(Recorder, interval=2)
    for number in order:
        history.add([lesson(number)])
    assert numbers(history) == [0, 1, 2, 3]


@pytest.mark.parametrize("late", [0, 5, 6, 37, 44, 48])
def test_late_lesson_goes_to_its_place(late: int) -> None:
    history = History(Recorder, interval=5, kept=3)
    history.add(lesson(number) for number in range(50) if number != late)
    history.add([lesson(late), lesson(50)])
    assert numbers(history) == list(range(51))
    history.add([lesson(51)])
    assert numbers(history) == list(range(52))


def test_checkpoint_saves_learning_all_again() -> None:
    history = History(Recorder, interval=5, kept=3)
    history.add(lesson(number) for number in range(50) if number != 48)
    made = Recorder.made
    history.add([lesson(48)])
    assert Recorder.made == made
