from __future__ import annotations

import copy
from datetime import datetime, timedelta

import numpy as np

from nas.controllers.learner import Draw, Learner, Lesson
from nas.controllers.retreat import Retreat
from search_spaces.space import SearchSpace

FAR = (4,) * 6 + (2, 2)
NEAR = (3,) * 6 + (1, 1)
INSIDE = (0,) * 8


class Stubborn(Learner):
    """Draws the same candidate for ever."""

    def __init__(self) -> None:
        self.learned = 0

    def learn(self, lesson: Lesson) -> None:
        self.learned += 1

    def draw(self, rng: np.random.Generator) -> Draw:
        return Draw(FAR, -1.0)


def _taught(space: SearchSpace, *lessons: tuple[tuple[int, ...], float]) -> Retreat:
    learner = Retreat(Stubborn(), space)
    for number, (choices, excess) in enumerate(lessons):
        completed = datetime(2024, 1, 1) + timedelta(seconds=number)
        learner.learn(Lesson(completed, number, choices, 0.0, excess=excess))
    return learner


def _steps(draw: Draw, start: tuple[int, ...]) -> int:
    return sum(a != b for a, b in zip(draw.choices, start, strict=True))


def test_the_learner_draws_as_long_as_some_are_within(space: SearchSpace) -> None:
    learner = _taught(space, *[(FAR, 2.0)] * 19, (INSIDE, 0.0), *[(FAR, 2.0)] * 19)
    assert learner.draw(np.random.default_rng(0)) == Draw(FAR, -1.0)


def test_after_many_beyond_it_goes_on_from_the_least_beyond(space: SearchSpace) -> None:
    learner = _taught(space, (NEAR, 0.5), *[(FAR, 2.0)] * 19)
    draws = [learner.draw(np.random.default_rng(seed)) for seed in range(20)]
    assert {_steps(draw, NEAR) for draw in draws} == {1}
    assert len({draw.choices for draw in draws}) > 5
    assert {draw.log_prob for draw in draws} == {None}


def test_one_within_is_a_better_start_than_any_beyond(space: SearchSpace) -> None:
    learner = _taught(space, (INSIDE, 0.0), (NEAR, 0.01), *[(FAR, 2.0)] * 19)
    draws = [learner.draw(np.random.default_rng(seed)) for seed in range(20)]
    assert {_steps(draw, INSIDE) for draw in draws} == {1}


def test_what_was_tried_or_runs_is_left_out(tiny_space: SearchSpace) -> None:
    # Neighbours of (0, 0, 0) are (1, 0, 0), (0, 1, 0), (0, 0, 1) and (0, 0, 2).
    tried = [((0, 0, 0), 0.1), ((1, 0, 0), 1.0), ((0, 1, 0), 1.0), *[((1, 1, 2), 1.0)] * 17]
    learner = _taught(tiny_space, *tried)
    drawn = [learner.draw_beside([(0, 0, 1)], np.random.default_rng(seed)) for seed in range(5)]
    assert {draw.choices for draw in drawn} == {(0, 0, 2)}
    everything = [(0, 0, 1), (0, 0, 2)]
    assert learner.draw_beside(everything, np.random.default_rng(0)).choices == FAR


def test_a_copy_goes_its_own_way(space: SearchSpace) -> None:
    learner = _taught(space, *[(FAR, 2.0)] * 20)
    other = copy.deepcopy(learner)
    learner.learn(Lesson(datetime(2025, 1, 1), 99, INSIDE, 0.5))
    assert _steps(other.draw(np.random.default_rng(0)), FAR) == 1
    assert learner.draw(np.random.default_rng(0)) == Draw(FAR, -1.0)
    assert (learner._learner.learned, other._learner.learned) == (21, 20)  # type: ignore[attr-defined]
