from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

import search_spaces

TABLE = Path(__file__).parents[3] / "shared" / "data" / "nasbench201" / "nasbench201.npz"
NONE, SKIP = "none", "skip_connect"
ONCE = "|nor_conv_1x1~0|+|"
# Nodes 1 and 2 change places, where no edge joins them.
SWAPPED = {
    "edge0_1": "edge0_2",
    "edge0_2": "edge0_1",
    "edge1_3": "edge2_3",
    "edge2_3": "edge1_3",
}


@pytest.fixture(scope="module")
def space():
    return search_spaces.create("nasbench201")


@pytest.fixture(scope="module")
def genotypes(space):
    names = [decision.name for decision in space.decisions]
    options = [decision.options for decision in space.decisions]
    return [
        space.genotype(dict(zip(names, words, strict=True)))
        for words in itertools.product(*options)
    ]


def by_key(key, genotypes):
    classes = defaultdict(list)
    for genotype in genotypes:
        classes[key(genotype)].append(genotype)
    return list(classes.values())


def live_operations(space, genotype):
    """How many convolutions contribute, found node by node."""
    choices = space.choices(genotype)
    edges = {name: word for name, word in choices.items() if word != NONE}
    for _ in range(3):
        reached = {"0", *(name[-1] for name in edges)}
        read = {"3", *(name[4] for name in edges)}
        edges = {n: word for n, word in edges.items() if n[4] in reached and n[-1] in read}
    return Counter(word for word in edges.values() if word.startswith("nor_conv"))


def renamed(space, genotype, names):
    choices = space.choices(genotype)
    return space.genotype({names.get(name, name): word for name, word in choices.items()})


def outputs_with_equal_weights(space, genotype, names):
    """Logits of a cell, and of one with other names of edges that has the same weights."""
    small = search_spaces.create("nasbench201", channels=4, cells=1)
    torch.manual_seed(0)
    one = small.build(genotype, num_classes=3).eval()
    other = small.build(renamed(space, genotype, names), num_classes=3).eval()
    weights = {
        ".".join(names.get(part, part) for part in key.split(".")): tensor
        for key, tensor in one.state_dict().items()
    }
    other.load_state_dict(weights)
    images = torch.randn(2, 3, 16, 16)
    return one(images), other(images)


def test_classes_are_as_many_as_published(space, genotypes):
    assert len(by_key(space.canonical_key, genotypes)) == 6_466


@pytest.mark.skipif(not TABLE.is_file(), reason="needs the table in ../shared/data/nasbench201")
def test_classes_are_those_of_the_table(space):
    table = np.load(TABLE)
    pairs = {
        (space.canonical_key(space.parse(text)), unique)
        for text, unique in zip(table["arch"].tolist(), table["unique"].tolist(), strict=True)
    }
    assert len(pairs) == len({key for key, _ in pairs}) == len({u for _, u in pairs}) == 6_466


def test_cells_of_one_class_that_share_nothing_compute_the_same(space):
    """Behind a skip connection, the edges from nodes 0 and 1 are exchangeable."""
    names = {"edge0_2": "edge1_2", "edge1_2": "edge0_2", "edge0_3": "edge1_3", "edge1_3": "edge0_3"}
    rng = random.Random(1)
    for _ in range(5):
        choices = {d.name: rng.choice(d.options) for d in space.decisions} | {"edge0_1": SKIP}
        genotype = space.genotype(choices)
        other = renamed(space, genotype, names)
        assert space.canonical_key(other) == space.canonical_key(genotype)
        assert space.network_key(other) == space.network_key(genotype)
        torch.testing.assert_close(*outputs_with_equal_weights(space, genotype, names))


def test_exchanged_nodes_are_the_same_network(space):
    rng = random.Random(2)
    for _ in range(5):
        choices = {d.name: rng.choice(d.options) for d in space.decisions} | {"edge1_2": NONE}
        genotype = space.genotype(choices)
        other = renamed(space, genotype, SWAPPED)
        assert space.network_key(other) == space.network_key(genotype)
        torch.testing.assert_close(*outputs_with_equal_weights(space, genotype, SWAPPED))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Another operation.
        (
            "nor_conv_3x3 none none none skip_connect none",
            "nor_conv_1x1 none none none skip_connect none",
        ),
        # The same operations in another order, side by side, and another number of skips.
        (
            "nor_conv_3x3 none nor_conv_1x1 none none skip_connect",
            "nor_conv_1x1 none nor_conv_3x3 none none skip_connect",
        ),
        (
            "nor_conv_3x3 none nor_conv_1x1 none none skip_connect",
            "nor_conv_3x3 nor_conv_1x1 none none skip_connect skip_connect",
        ),
        (
            "skip_connect none none skip_connect skip_connect none",
            "skip_connect none none none skip_connect none",
        ),
    ],
)
def test_different_cells_have_different_keys(space, one, other):
    names = [decision.name for decision in space.decisions]
    left, right = (
        space.genotype(dict(zip(names, words.split(), strict=True))) for words in (one, other)
    )
    assert space.canonical_key(left) != space.canonical_key(right)
    assert space.network_key(left) != space.network_key(right)


def test_network_key_tells_a_shared_operation_from_two(space):
    shared = space.parse(f"{ONCE}none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|")
    separate = space.parse(f"{ONCE}nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|skip_connect~2|")
    assert space.canonical_key(shared) == space.canonical_key(separate)
    assert space.network_key(shared) != space.network_key(separate)
    with torch.device("meta"):
        networks = [space.build(g, num_classes=10) for g in (shared, separate)]
    small, large = (sum(p.numel() for p in network.parameters()) for network in networks)
    assert (small, large) == (73_306 + 28_000, 73_306 + 2 * 28_000)


def test_equal_network_keys_have_equal_convolutions(space, genotypes):
    sample = random.Random(3).sample(genotypes, 4_000)
    classes = by_key(space.network_key, sample)
    for members in classes:
        first = live_operations(space, members[0])
        assert all(live_operations(space, genotype) == first for genotype in members)
    assert len(classes) < len(sample) - 1_000
