from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest

from nas.controllers.encodings import Encoding, encoding_of, genotype_of
from nas.controllers.neighbours import random_choices
from search_spaces import create
from search_spaces.space import SearchSpace


def mean_squared_distance(rows: np.ndarray) -> float:
    return float(np.mean([((a - b) ** 2).sum() for a, b in itertools.combinations(rows, 2)]))


@pytest.fixture(scope="module")
def cells() -> SearchSpace:
    return create("nasbench201")


def choices_of(space: SearchSpace, *operations: str) -> list[int]:
    return [d.options.index(o) for d, o in zip(space.decisions, operations, strict=True)]


def test_decisions_are_one_hot_and_a_graph_without_paths_adds_nothing(
    tiny_space: SearchSpace,
) -> None:
    encoding = Encoding(tiny_space)
    features = encoding([[0, 1, 2]])
    assert encoding.blocks == (slice(0, 7),)
    assert (features > 0).tolist() == [[True, False, False, True, False, False, True]]
    assert len(set(features[features > 0])) == 1


def test_random_candidates_have_squared_distance_1_in_every_block(cells: SearchSpace) -> None:
    encoding = Encoding(cells)
    features = encoding(random_choices(cells, 300, np.random.default_rng(1)))
    assert len(encoding.blocks) == 3
    for block in encoding.blocks:
        assert mean_squared_distance(features[:, block]) == pytest.approx(1, abs=0.05)


def test_nasbench201_has_a_column_for_every_path_and_operation(cells: SearchSpace) -> None:
    decisions, operations, paths = Encoding(cells).blocks
    assert decisions == slice(0, 30)
    assert operations == slice(30, 34)
    # 4 operations on one edge, 16 on two in a row, 64 on three; a sample of cells lacks few.
    assert 80 <= paths.stop - paths.start <= 84


def test_order_of_nodes_and_dead_edges_show_in_the_decisions_alone(cells: SearchSpace) -> None:
    # Edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3.
    one = choices_of(
        cells, "nor_conv_3x3", "nor_conv_1x1", "none", "none", "avg_pool_3x3", "skip_connect"
    )
    swapped = choices_of(
        cells, "nor_conv_1x1", "nor_conv_3x3", "none", "none", "skip_connect", "avg_pool_3x3"
    )
    dead = choices_of(cells, "nor_conv_3x3", "none", "none", "none", "avg_pool_3x3", "skip_connect")
    alive = choices_of(cells, "nor_conv_3x3", "none", "none", "none", "avg_pool_3x3", "none")
    encoding = Encoding(cells)
    decisions, network = encoding.blocks[0], slice(encoding.blocks[1].start, None)
    rows = encoding([one, swapped, dead, alive])
    assert np.array_equal(rows[0, network], rows[1, network])
    assert np.array_equal(rows[2, network], rows[3, network])
    assert not np.array_equal(rows[0, network], rows[2, network])
    assert not np.array_equal(rows[0, decisions], rows[1, decisions])


def test_columns_are_limited_to_the_most_common(cells: SearchSpace) -> None:
    encoding = Encoding(cells, columns=4)
    assert [block.stop - block.start for block in encoding.blocks] == [30, 4, 4]
    lone = choices_of(cells, "none", "none", "none", "skip_connect", "none", "none")
    # Paths of one edge are the most common ones.
    assert (encoding([lone])[0, encoding.blocks[2]] > 0).sum() == 1


@pytest.mark.parametrize("name", ["fastnas", "darts", "mobile", "template"])
def test_large_spaces_have_few_columns(name: str) -> None:
    space = create(name)
    features = encoding_of(space)(random_choices(space, 5, np.random.default_rng(0)))
    assert np.isfinite(features).all()
    assert features.shape[1] <= 1000


def test_encoding_is_made_once_for_equal_spaces() -> None:
    assert encoding_of(create("nasbench201")) is encoding_of(create("nasbench201"))
    assert encoding_of(create("fastnas")) is not encoding_of(create("fastnas", cells=2))


def test_deep_copy_is_shared(tiny_space: SearchSpace) -> None:
    encoding = Encoding(tiny_space)
    assert copy.deepcopy(encoding) is encoding


def test_genotype_takes_the_options_of_the_indices(tiny_space: SearchSpace) -> None:
    assert genotype_of(tiny_space, [1, 0, 2]).value == ("y", "x", 2)
