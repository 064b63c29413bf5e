from __future__ import annotations

import copy
import math
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest
from pymoo.indicators.hv import HV

import search_spaces
from nas.controllers.encodings import genotype_of
from nas.controllers.history import History
from nas.controllers.learner import Lesson
from nas.controllers.preference import PreferenceSearch, PreferenceSettings, model_start
from search_spaces.space import SearchSpace

Values = Callable[[tuple[int, ...]], tuple[float, ...]]

# None, skip, 1x1 and 3x3 convolution, pooling.
COST = np.array([0.0, 0.1, 1.0, 3.0, 0.4])
WORTH = {"skip_connect": 0.5, "nor_conv_1x1": 1.5, "nor_conv_3x3": 2.5, "avg_pool_3x3": 0.2}

CELLS = search_spaces.create("nasbench201")


@pytest.fixture
def cells() -> SearchSpace:
    return CELLS


def two(choices: tuple[int, ...]) -> tuple[float, ...]:
    """A quality of what contributes, which saturates, and a cost of all that is there."""
    graph = CELLS.graph(genotype_of(CELLS, choices))
    worth = sum(WORTH[edge.label] for edge in graph.edges)
    return 1 - math.exp(-worth / 4), 1 + float(COST[list(choices)].sum())


def three(choices: tuple[int, ...]) -> tuple[float, ...]:
    return (*two(choices), float(10 - choices.count(1)))


def lesson(number: int, choices: tuple[int, ...], values: tuple[float, ...]) -> Lesson:
    completed = datetime(2024, 1, 1) + timedelta(seconds=number)
    return Lesson(completed, number, choices, 0.0, None, values)


def search(
    learner: PreferenceSearch, values: Values, trials: int, seed: int = 0
) -> list[tuple[int, ...]]:
    drawn = []
    for number in range(trials):
        choices = learner.draw(np.random.default_rng((seed, number))).choices
        learner.learn(lesson(number, choices, values(choices)))
        drawn.append(choices)
    return drawn


def learner(space: SearchSpace, **settings: int) -> PreferenceSearch:
    return PreferenceSearch(space, 0, PreferenceSettings.model_validate(settings))


def volume(drawn: list[tuple[int, ...]], values: Values) -> float:
    gains = np.array([values(choices) for choices in drawn])
    gains[:, 0] *= -1
    reference = np.array([0.0, *([20.0] * (gains.shape[1] - 1))])
    return float(HV(ref_point=reference)(gains))


def random_drawn(space: SearchSpace, count: int) -> list[tuple[int, ...]]:
    sizes = [len(decision.options) for decision in space.decisions]
    rows = np.random.default_rng(5).integers(sizes, size=(count, len(sizes)))
    return [tuple(row) for row in rows.tolist()]


@pytest.mark.parametrize("values", [two, three])
def test_forty_trials_find_what_ten_times_as_many_random_ones_do_not(
    cells: SearchSpace, values: Values
) -> None:
    drawn = search(learner(cells), values, 40)
    assert volume(drawn, values) > volume(random_drawn(cells, 400), values)


def test_front_is_found_from_end_to_end(cells: SearchSpace) -> None:
    found = [two(choices) for choices in search(learner(cells), two, 50)]
    # A skip connection or two, and convolutions on all edges.
    assert min(cost for _, cost in found) < 1.6
    assert max(quality for quality, _ in found) > 0.9 * two((3,) * 6)[0]


def test_single_objective_is_searched_for_its_best(cells: SearchSpace) -> None:
    def one(choices: tuple[int, ...]) -> tuple[float, ...]:
        return two(choices)[:1]

    drawn = search(learner(cells), one, 30)
    assert max(one(choices) for choices in drawn) == one((3,) * 6)


def test_reward_stands_in_for_missing_objectives(cells: SearchSpace) -> None:
    told, rewarded = learner(cells), learner(cells)
    for number, choices in enumerate(random_drawn(cells, 12)):
        reward = two(choices)[0]
        told.learn(lesson(number, choices, (reward,)))
        rewarded.learn(Lesson(datetime(2024, 1, 1), number, choices, reward))
    rng = np.random.default_rng
    assert told.draw(rng(0)) == rewarded.draw(rng(0))


def test_reward_is_not_looked_at_where_there_are_objectives(cells: SearchSpace) -> None:
    first, second = learner(cells), learner(cells)
    for number, choices in enumerate(random_drawn(cells, 12)):
        told = lesson(number, choices, two(choices))
        first.learn(told)
        second.learn(Lesson(told.completed, number, choices, float(number), None, told.values))
    assert first.draw(np.random.default_rng(0)) == second.draw(np.random.default_rng(0))


def test_different_networks_are_tried_at_random_first(cells: SearchSpace) -> None:
    searching = learner(cells, startup=200)
    drawn = search(searching, two, 60)
    keys = {cells.canonical_key(genotype_of(cells, choices)) for choices in drawn}
    assert len(keys) == 60
    assert {choices[0] for choices in drawn} == set(range(5))


@pytest.mark.parametrize(("promise", "elsewhere"), [(0.0, True), (0.9e-3, True), (1.1e-3, False)])
def test_half_of_the_candidates_are_random_where_hardly_anything_is_promised(
    cells: SearchSpace, monkeypatch: pytest.MonkeyPatch, promise: float, elsewhere: bool
) -> None:
    found = learner(cells)
    search(found, two, 12)
    first = found.draw(np.random.default_rng(0)).choices
    monkeypatch.setattr(
        "nas.controllers.front_model.FrontModel.ranked",
        lambda model, count, rng: (np.array([first]), promise),
    )
    drawn = [found.draw(np.random.default_rng(seed)).choices for seed in range(200)]
    others = [choices for choices in drawn if choices != first]
    assert (70 < len(others) < 130) if elsewhere else not others
    assert len(set(others)) >= 0.9 * len(others)


def test_no_network_is_proposed_twice(cells: SearchSpace) -> None:
    drawn = search(learner(cells), two, 60)
    assert len({cells.canonical_key(genotype_of(cells, choices)) for choices in drawn}) == 60


def test_networks_that_other_workers_try_are_left_out(cells: SearchSpace) -> None:
    searching = learner(cells)
    search(searching, two, 22)
    running: list[tuple[int, ...]] = []
    for _ in range(12):
        running.append(searching.draw_beside(running, np.random.default_rng(0)).choices)
    keys = {cells.canonical_key(genotype_of(cells, choices)) for choices in running}
    assert len(keys) == 12


def test_search_goes_on_when_nothing_is_new(tiny_space: SearchSpace) -> None:
    drawn = search(learner(tiny_space, startup=2), sums, 16)
    assert len(set(drawn[:12])) == len(set(drawn)) == 12


def sums(choices: tuple[int, ...]) -> tuple[float, ...]:
    return float(sum(choices)), float(choices[0])


def test_draw_depends_on_lessons_and_generator_alone(cells: SearchSpace) -> None:
    long_lived, late = learner(cells), learner(cells)
    for number, choices in enumerate(search(learner(cells), two, 31)):
        told = lesson(number, choices, two(choices))
        long_lived.learn(told)
        # Drawing fills caches, and must change nothing else.
        long_lived.draw(np.random.default_rng(number))
        late.learn(told)
    draws = [late.draw(np.random.default_rng(seed)) for seed in range(8)]
    assert [long_lived.draw(np.random.default_rng(seed)) for seed in range(8)] == draws
    assert len(set(draws)) > 1


def test_copy_goes_its_own_way(cells: SearchSpace) -> None:
    searching = learner(cells)
    drawn = search(searching, two, 25)
    copied = copy.deepcopy(searching)
    before = searching.draw(np.random.default_rng(0))
    search(copied, two, 5, seed=9)
    assert searching.draw(np.random.default_rng(0)) == before
    fresh = learner(cells)
    for number, choices in enumerate(drawn):
        fresh.learn(lesson(number, choices, two(choices)))
    assert fresh.draw(np.random.default_rng(0)) == before


def test_late_lesson_leads_to_the_state_of_one_in_time(cells: SearchSpace) -> None:
    lessons = [lesson(n, c, two(c)) for n, c in enumerate(search(learner(cells), two, 45))]
    in_time, late = (History(lambda: learner(cells)) for _ in range(2))
    for told in lessons:
        in_time.add([told])
    for told in [*lessons[:20], *lessons[21:], lessons[20]]:
        late.add([told])
        late.learner.draw(np.random.default_rng(0))
    assert late.learner.draw(np.random.default_rng(1)) == in_time.learner.draw(
        np.random.default_rng(1)
    )


def test_large_spaces_are_searched_too() -> None:
    space = search_spaces.create("darts")

    def values(choices: tuple[int, ...]) -> tuple[float, ...]:
        return float(np.mean(np.array(choices) == 1)), float(sum(choices))

    drawn = search(learner(space, startup=6), values, 24)
    quality = [values(choices)[0] for choices in drawn]
    assert max(quality[12:]) > max(quality[:6]) + 0.1


def test_model_is_limited_to_some_trials(cells: SearchSpace) -> None:
    drawn = search(learner(cells, startup=200), two, 150)
    limited = learner(cells, fitted=20)
    for number, choices in enumerate(drawn):
        limited.learn(lesson(number, choices, two(choices)))
    proposed = [limited.draw(np.random.default_rng(seed)).choices for seed in range(10)]
    assert volume([*drawn, *proposed], two) > volume(drawn, two)


def test_models_are_made_anew_at_fixed_counts_of_trials() -> None:
    assert [model_start(count, 10) for count in (10, 12, 13, 15, 16)] == [10, 10, 13, 13, 16]
    starts = sorted({model_start(count, 10) for count in range(10, 3000)})
    steps = np.diff(starts)
    assert steps.min() == 3
    assert steps[-1] == steps.max() == 50
