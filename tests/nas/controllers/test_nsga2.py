from __future__ import annotations

import copy
from datetime import datetime, timedelta

import numpy as np
import pytest

import search_spaces
from nas.controllers.encodings import genotype_of
from nas.controllers.learner import Lesson
from nas.controllers.nsga2 import PymooNSGA2, PymooNSGA2Settings
from search_spaces.space import SearchSpace

# Zero to three, from the best to the worst quality; the cost goes the other way, but for the last.
FRONT = {0: (3.0, 3.0), 1: (2.0, 2.0), 2: (1.0, 1.0)}
DOMINATED = (0.5, 3.5)


@pytest.fixture(scope="module")
def cells() -> SearchSpace:
    return search_spaces.create("nasbench201")


def learner(space: SearchSpace, **settings: float) -> PymooNSGA2:
    return PymooNSGA2(space, 0, PymooNSGA2Settings.model_validate(settings))


def lesson(number: int, choices: tuple[int, ...], values: tuple[float, ...]) -> Lesson:
    completed = datetime(2024, 1, 1) + timedelta(seconds=number)
    return Lesson(completed, number, choices, 0.0, None, values)


def draws(searching: PymooNSGA2, count: int = 60) -> list[tuple[int, ...]]:
    return [searching.draw(np.random.default_rng(number)).choices for number in range(count)]


def survivors(searching: PymooNSGA2) -> set[tuple[int, ...]]:
    assert searching._survivors is not None
    return {tuple(map(int, row)) for row in searching._survivors.get("X")}


def values(choices: tuple[int, ...]) -> tuple[float, ...]:
    return float(choices.count(3) + 0.5 * choices.count(2)), float(sum(choices))


def search(searching: PymooNSGA2, trials: int) -> list[tuple[int, ...]]:
    drawn = []
    for number in range(trials):
        choices = searching.draw(np.random.default_rng((1, number))).choices
        searching.learn(lesson(number, choices, values(choices)))
        drawn.append(choices)
    return drawn


def test_first_generation_is_random(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=4)
    for number in range(3):
        searching.learn(lesson(number, (number,) * 6, (0.0, 0.0)))
    assert {choices[2] for choices in draws(searching)} == set(range(5))


def test_children_mix_the_survivors(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=4, mutation_prob=1e-9, crossover_prob=1)
    for number, found in FRONT.items():
        searching.learn(lesson(number, (number,) * 6, found))
    searching.learn(lesson(3, (3,) * 6, DOMINATED))
    drawn = draws(searching)
    assert {option for choices in drawn for option in choices} >= {0, 1, 2}
    assert max(len(set(choices)) for choices in drawn) == 2


def test_best_of_two_generations_survive(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=3)
    for number in range(3):
        searching.learn(lesson(number, (number, 4, 4, 4, 4, 4), DOMINATED))
    for number, found in FRONT.items():
        searching.learn(lesson(3 + number, (number,) * 6, found))
    assert survivors(searching) == {(0,) * 6, (1,) * 6, (2,) * 6}


def test_crowded_candidates_do_not_survive(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=3)
    spread = [(0.0, 0.0), (5.0, 5.0), (10.0, 10.0)]
    for number, found in enumerate(spread):
        searching.learn(lesson(number, (number,) * 6, found))
    for number, found in enumerate([(5.1, 5.1), (5.2, 5.2), (-1.0, 20.0)]):
        searching.learn(lesson(3 + number, (3, 4, 4, 4, 4, number), found))
    assert {(0,) * 6, (2,) * 6} < survivors(searching)


def test_incomplete_generation_leaves_the_parents_as_they_are(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=3, mutation_prob=1e-9)
    for number, found in FRONT.items():
        searching.learn(lesson(number, (number,) * 6, found))
    before = survivors(searching)
    for number in range(2):
        searching.learn(lesson(3 + number, (4,) * 5 + (number,), (99.0, 0.0)))
        assert survivors(searching) == before
    assert 4 not in {option for choices in draws(searching) for option in choices}
    searching.learn(lesson(5, (4,) * 5 + (3,), (0.0, 99.0)))
    assert survivors(searching) != before


def test_no_network_is_proposed_twice(cells: SearchSpace) -> None:
    drawn = search(learner(cells, population_size=5), 60)
    assert len({cells.canonical_key(genotype_of(cells, choices)) for choices in drawn}) == 60


def test_networks_that_other_workers_try_are_left_out(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=5)
    search(searching, 22)
    running: list[tuple[int, ...]] = []
    for _ in range(12):
        running.append(searching.draw_beside(running, np.random.default_rng(0)).choices)
    keys = {cells.canonical_key(genotype_of(cells, choices)) for choices in running}
    assert len(keys) == 12


def test_search_goes_on_when_nothing_is_new(tiny_space: SearchSpace) -> None:
    drawn = search(learner(tiny_space, population_size=2), 16)
    assert len(set(drawn[:12])) == len(set(drawn)) == 12


def test_draw_does_not_change_the_state(cells: SearchSpace) -> None:
    drawn, silent = learner(cells, population_size=5), learner(cells, population_size=5)
    for number, choices in enumerate(search(learner(cells, population_size=5), 23)):
        drawn.learn(lesson(number, choices, values(choices)))
        drawn.draw(np.random.default_rng(number))
        silent.learn(lesson(number, choices, values(choices)))
    assert draws(drawn, 20) == draws(silent, 20)


def test_copy_goes_its_own_way(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=4)
    search(searching, 18)
    copied = copy.deepcopy(searching)
    before = draws(searching, 10)
    assert draws(copied, 10) == before
    search(copied, 9)
    assert draws(searching, 10) == before
    assert draws(copied, 10) != before


@pytest.mark.parametrize("objectives", [1, 3])
def test_number_of_objectives_is_that_of_the_study(cells: SearchSpace, objectives: int) -> None:
    searching = learner(cells, population_size=6)
    for number in range(60):
        choices = searching.draw(np.random.default_rng((2, number))).choices
        found = (float(choices.count(3)), float(choices.count(2)), float(choices.count(4)))
        searching.learn(lesson(number, choices, found[:objectives]))
    best = max(choices.count(3) for choices in survivors(searching))
    assert best >= 5


def test_reward_stands_in_for_missing_objectives(cells: SearchSpace) -> None:
    searching = learner(cells, population_size=2)
    for number in range(4):
        told = Lesson(datetime(2024, 1, 1), number, (number,) * 6, float(number))
        searching.learn(told)
    assert survivors(searching) == {(2,) * 6, (3,) * 6}


def test_search_moves_the_whole_front(cells: SearchSpace) -> None:
    drawn = search(learner(cells, population_size=10), 150)
    early, late = (
        np.mean([choices.count(3) - 0.2 * sum(choices) for choices in part])
        for part in (drawn[:10], drawn[-30:])
    )
    assert late > early
