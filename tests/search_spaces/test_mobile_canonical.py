from __future__ import annotations

import itertools
import random

import pytest
import torch

import search_spaces
from latency import count

# The second stage has stride 1 and can have the width of the first.
SMALL = {
    "stem_width": 8,
    "first_width": 8,
    "widths": [16, 16],
    "strides": [1, 2, 1],
    "kernels": [3, 5],
    "expansions": [1, 2],
    "depths": [1, 2, 3],
    "width_multipliers": [0.5, 1.0],
    "head_width": 8,
}


@pytest.fixture(scope="module")
def space():
    return search_spaces.create("mobile", **SMALL)


def key(space, text):
    return space.canonical_key(space.parse(text))


def test_blocks_may_move_between_like_stages(space):
    one = key(space, "[[3,2,1,16,1],[3,2,3,16,1]]")
    assert one == key(space, "[[3,2,2,16,1],[3,2,2,16,1]]")
    assert one == key(space, "[[3,2,3,16,1],[3,2,1,16,1]]")
    assert one != key(space, "[[3,2,2,16,1],[3,2,3,16,1]]")


def test_moved_blocks_give_the_same_logits(space):
    def logits(text):
        torch.manual_seed(0)
        network = space.build(space.parse(text), num_classes=3)
        return network(torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8))

    one = logits("[[3,2,1,16,1],[3,2,3,16,1]]")
    assert torch.equal(one, logits("[[3,2,3,16,1],[3,2,1,16,1]]"))
    assert not torch.equal(one, logits("[[3,2,3,16,1],[3,2,1,16,0]]"))


@pytest.mark.parametrize(
    "other",
    [
        "[[3,2,2,16,1],[5,2,2,16,1]]",
        "[[3,2,2,16,1],[3,1,2,16,1]]",
        "[[3,2,2,16,1],[3,2,1,16,1]]",
        "[[3,2,2,16,1],[3,2,2,8,1]]",
        "[[3,2,2,16,1],[3,2,2,16,0]]",
    ],
)
def test_every_decision_matters(space, other):
    assert key(space, "[[3,2,2,16,1],[3,2,2,16,1]]") != key(space, other)


def test_a_stage_of_stride_2_begins_anew():
    space = search_spaces.create("mobile", **SMALL | {"strides": [1, 2, 2]})
    keys = {
        key(space, f"[[3,2,{first},16,0],[3,2,{second},16,0]]")
        for first, second in ((1, 3), (2, 2), (3, 1))
    }
    assert len(keys) == 3


def test_keys_and_lists_of_blocks_correspond(space):
    """All 2,304 genotypes: a key stands for one list of blocks, and the other way round."""
    blocks_of, key_of = {}, {}
    for choice in itertools.product(*(decision.options for decision in space.decisions)):
        names = (decision.name for decision in space.decisions)
        genotype = space.genotype(dict(zip(names, choice, strict=True)))
        blocks = tuple(flat_blocks(genotype.value))
        found = space.canonical_key(genotype)
        assert blocks_of.setdefault(found, blocks) == blocks
        assert key_of.setdefault(blocks, found) == found
    assert len(blocks_of) < space.size == 2304


def flat_blocks(stages):
    """What each block has of its own, from the nested form."""
    inputs = 8
    for (kernel, expansion, depth, width, squeeze), stride in zip(stages, (2, 1), strict=True):
        for block in range(depth):
            yield kernel, inputs * expansion, width, squeeze, stride if block == 0 else 1
            inputs = width


def test_equal_keys_have_equal_costs(space):
    rng = random.Random(2)
    seen = {}
    shared = 0
    for _ in range(24):
        kernel, expansion, squeeze = rng.choice((3, 5)), rng.choice((1, 2)), rng.choice((0, 1))
        depths = rng.choice((1, 2, 3)), rng.choice((1, 2, 3))
        genotype = space.parse([[kernel, expansion, d, 16, squeeze] for d in depths])
        found = space.canonical_key(genotype)
        costs = count(space.build(genotype, num_classes=3), (1, 3, 9, 9))
        shared += found in seen
        assert seen.setdefault(found, costs) == costs
    assert shared > 2
    assert len(set(seen.values())) == len(seen)
