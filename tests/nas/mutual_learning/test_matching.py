from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from nas.mutual_learning.matching import (
    channel_similarity,
    gale_shapley,
    hungarian,
    match_channels,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def is_stable(similarity: Tensor, columns: Tensor) -> bool:
    rows = torch.empty_like(columns)
    rows[columns] = torch.arange(len(columns))
    for row, column in itertools.product(range(len(columns)), repeat=2):
        better_for_row = similarity[row, column] > similarity[row, columns[row]]
        better_for_column = similarity[row, column] > similarity[rows[column], column]
        if better_for_row and better_for_column:
            return False
    return True


def test_proposals_of_a_small_case() -> None:
    similarity = torch.tensor([[0.9, 0.8, 0.1], [0.95, 0.7, 0.2], [0.6, 0.5, 0.4]])
    matching = gale_shapley(similarity)
    assert matching.columns.tolist() == [1, 0, 2]
    assert sum(matching.rounds) == 3
    assert matching.rounds == (1, 1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_stable_matching_is_a_permutation_without_blocking_pairs(seed: int) -> None:
    similarity = random(12, 12, seed=seed)
    columns = gale_shapley(similarity).columns
    assert sorted(columns.tolist()) == list(range(12))
    assert is_stable(similarity, columns)


@pytest.mark.parametrize("seed", range(5))
def test_no_stable_matching_is_better_for_a_row_that_proposes(seed: int) -> None:
    similarity = random(5, 5, seed=seed)
    found = gale_shapley(similarity).columns
    for columns in map(torch.tensor, itertools.permutations(range(5))):
        if is_stable(similarity, columns):
            rows = torch.arange(5)
            assert (similarity[rows, found] >= similarity[rows, columns]).all()


def test_rows_that_all_want_the_same_end_within_the_bound() -> None:
    matching = gale_shapley(torch.arange(20.0).expand(20, 20))
    assert matching.columns.tolist() == list(range(19, -1, -1))
    assert len(matching.rounds) <= 20**2
    assert sum(matching.rounds) == 20


@pytest.mark.parametrize("seed", range(3))
def test_the_hungarian_method_has_the_largest_total(seed: int) -> None:
    similarity = random(5, 5, seed=seed)
    rows = torch.arange(5)
    best = max(
        float(similarity[rows, torch.tensor(columns)].sum())
        for columns in itertools.permutations(range(5))
    )
    found = similarity[rows, hungarian(similarity).columns].sum()
    assert float(found) == pytest.approx(best)


@pytest.mark.parametrize("assignment", ["gale_shapley", "hungarian"])
@pytest.mark.parametrize(
    ("similarity", "standardised"),
    [("cosine", True), ("cosine", False), ("l2", True), ("l2", False), ("bmm", True)],
)
def test_a_permutation_of_channels_is_recovered(
    similarity: Any, standardised: bool, assignment: Any
) -> None:
    maps = random(3, 10, 4, 4)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    matching = match_channels(maps, maps[:, order], similarity, standardised, assignment)
    assert torch.equal(order[matching.columns], torch.arange(10))


def test_equal_maps_keep_their_order() -> None:
    maps = random(3, 6, 4, 4)
    assert match_channels(maps, maps).columns.tolist() == list(range(6))


def test_standardised_similarity_ignores_scale_and_offset() -> None:
    first, second = random(3, 6, 4, 4), random(3, 6, 4, 4, seed=1)
    torch.testing.assert_close(
        channel_similarity(first, second, "bmm"), channel_similarity(3 * first + 2, second, "bmm")
    )


def test_similarities_of_one_pair_of_channels() -> None:
    first, second = torch.tensor([3.0, 0.0]), torch.tensor([3.0, 4.0])
    maps = [values.reshape(1, 1, 1, 2) for values in (first, second)]
    found = {
        name: float(channel_similarity(*maps, name, standardised=False))  # type: ignore[arg-type]
        for name in ("bmm", "cosine", "l2")
    }
    assert found == pytest.approx({"bmm": 4.5, "cosine": 0.6, "l2": -4.0})


def test_a_constant_channel_resembles_none() -> None:
    maps = torch.ones(2, 3, 2, 2)
    assert (channel_similarity(maps, random(2, 3, 2, 2).float(), "cosine") == 0).all()


def test_maps_of_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"of one shape, not \(1, 2, 3, 3\) and \(1, 3, 3, 3\)"):
        match_channels(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, 3))
