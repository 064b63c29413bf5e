from __future__ import annotations

import numpy as np

from nas.controllers.neighbours import neighbours, random_choices
from search_spaces.space import SearchSpace


def test_neighbours_differ_in_exactly_one_decision(tiny_space: SearchSpace) -> None:
    found = neighbours(tiny_space, [0, 1, 1])
    assert {tuple(row) for row in found.tolist()} == {(1, 1, 1), (0, 0, 1), (0, 1, 0), (0, 1, 2)}
    assert len(found) == 4


def test_neighbours_of_several_candidates_follow_each_other(tiny_space: SearchSpace) -> None:
    both = neighbours(tiny_space, [[0, 1, 1], [1, 0, 2]])
    expected = [neighbours(tiny_space, [0, 1, 1]), neighbours(tiny_space, [1, 0, 2])]
    assert np.array_equal(both, np.vstack(expected))


def test_random_choices_take_every_option_alike(tiny_space: SearchSpace) -> None:
    choices = random_choices(tiny_space, 3000, np.random.default_rng(0))
    assert choices.shape == (3000, 3)
    assert np.abs(np.bincount(choices[:, 2]) / 3000 - 1 / 3).max() < 0.04
    assert np.abs(np.bincount(choices[:, 0]) / 3000 - 1 / 2).max() < 0.04
