from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest

from nas.controllers.candidates import Catalogue, catalogue_of
from nas.controllers.encodings import encoding_of
from search_spaces import create
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace


@pytest.fixture
def catalogue(tiny_space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """The first two decisions are read in any order: 9 networks of 12 candidates."""

    def key(genotype: Genotype) -> str:
        first, second, third = genotype.value  # type: ignore[misc]
        return f"{sorted((first, second))}{third}"  # type: ignore[type-var]

    monkeypatch.setattr(tiny_space, "canonical_key", key)
    return Catalogue(tiny_space, encoding_of(tiny_space))


def test_every_candidate_is_listed_once(catalogue: Catalogue) -> None:
    assert len(set(map(tuple, catalogue.choices.tolist()))) == 12
    assert catalogue.features.shape == (9, 7)


def test_candidates_of_one_key_are_one_network(catalogue: Catalogue) -> None:
    assert catalogue.network_of((0, 1, 2)) == catalogue.network_of((1, 0, 2))
    assert catalogue.network_of((0, 1, 2)) != catalogue.network_of((0, 1, 1))
    rows = catalogue.networks_of(catalogue.choices)
    assert np.array_equal(rows, catalogue.networks)


def test_features_are_the_mean_over_the_candidates_of_a_network(
    catalogue: Catalogue, tiny_space: SearchSpace
) -> None:
    pair = encoding_of(tiny_space)([[0, 1, 2], [1, 0, 2]])
    row = catalogue.features[catalogue.network_of((0, 1, 2))]
    assert row == pytest.approx(pair.mean(axis=0))
    single = encoding_of(tiny_space)([[1, 1, 0]])[0]
    assert catalogue.features[catalogue.network_of((1, 1, 0))] == pytest.approx(single)


def test_choices_of_a_network_are_equally_likely(catalogue: Catalogue) -> None:
    network = catalogue.network_of((0, 1, 2))
    rng = np.random.default_rng(0)
    counts = Counter(catalogue.some_choices_of(network, rng) for _ in range(200))
    assert set(counts) == {(0, 1, 2), (1, 0, 2)}
    assert 70 < counts[0, 1, 2] < 130


def test_large_space_is_refused() -> None:
    space = create("fastnas")
    with pytest.raises(ValueError, match="too large to be listed"):
        Catalogue(space, encoding_of(space))


def test_catalogue_is_made_once_and_shared_by_copies(tiny_space: SearchSpace) -> None:
    assert catalogue_of(tiny_space) is catalogue_of(copy.deepcopy(tiny_space))
    assert copy.deepcopy(catalogue_of(tiny_space)) is catalogue_of(tiny_space)
