from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import search_spaces
from search_spaces.fastnas.canonical import Vertex, canonical_text

CHANNELS, STRIDES = (3, 4, 5, 6), (4, 8, 16, 32)
NONE, SKIP = 10, 9


@pytest.fixture
def space():
    return search_spaces.create("fastnas")


def key(space, cell, blocks=((0, 1), (4, 2), (3, 5))):
    return space.canonical_key(space.parse([cell, blocks]))


def swap_branches(genotype, rng):
    """Swaps the branches of a node, and what later nodes call them."""
    cell, blocks = genotype
    node = rng.randrange(1, len(cell))
    left, right = 3 * node - 1, 3 * node
    renamed = {left: right, right: left}
    nodes = [
        (renamed.get(p, p), renamed.get(q, q), o, u) if index > node else (p, q, o, u)
        for index, (p, q, o, u) in enumerate(cell[1:], 1)
    ]
    p, q, o, u = nodes[node - 1]
    nodes[node - 1] = (q, p, u, o)
    return [[cell[0], *nodes], blocks]


def swap_nodes(genotype, rng):
    """Swaps a node with the next, unless the next reads it."""
    cell, blocks = genotype
    node = rng.randrange(1, len(cell) - 1)
    first, second = cell[node], cell[node + 1]
    own = range(3 * node - 1, 3 * node + 2)
    if set(second[:2]) & set(own):
        return genotype
    renamed = {p: p + 3 for p in own} | {p + 3: p for p in own}
    later = [(renamed.get(p, p), renamed.get(q, q), o, u) for p, q, o, u in cell[node + 2 :]]
    return [[*cell[:node], second, first, *later], blocks]


def swap_block_inputs(genotype, rng):
    cell, blocks = genotype
    return [cell, [tuple(rng.sample(block, 2)) for block in blocks]]


def swap_blocks(genotype, rng):
    """Swaps a block with the next, unless the next reads it."""
    cell, blocks = genotype
    block = rng.randrange(len(blocks) - 1)
    position = 4 + block
    if position in blocks[block + 1]:
        return genotype
    renamed = {position: position + 1, position + 1: position}
    later = [tuple(renamed.get(p, p) for p in pair) for pair in blocks[block + 2 :]]
    return [cell, [*blocks[:block], blocks[block + 1], blocks[block], *later]]


def move_none(genotype, rng):
    """Lets a `none` read an intermediate result, which is never collected, if it reads one."""
    cell, blocks = genotype
    nodes = [list(node) for node in cell[1:]]
    for number, node in enumerate(nodes, 1):
        free = [p for p in range(3 * number - 1) if p == 0 or p % 3 != 1]
        for side in (0, 1):
            if node[side + 2] == NONE and node[side] in free:
                node[side] = rng.choice(free)
    return [[cell[0], *nodes], blocks]


RENAMINGS = (swap_branches, swap_nodes, swap_block_inputs, swap_blocks, move_none)


@pytest.mark.parametrize("renaming", RENAMINGS)
def test_renaming_keeps_the_key(renaming):
    rng = random.Random(3)
    changed = 0
    for _ in range(60):
        space = search_spaces.create("fastnas", branches=5, cells=4)
        genotype = space.sample(rng)
        other = space.parse(renaming(genotype.value, rng))
        changed += other != genotype
        assert space.canonical_key(other) == space.canonical_key(genotype)
    assert changed > 5


def test_many_renamings_keep_the_key():
    rng = random.Random(4)
    space = search_spaces.create("fastnas", branches=6, cells=5)
    for genotype in (space.sample(rng) for _ in range(20)):
        value = genotype.value
        for _ in range(30):
            value = space.parse(rng.choice(RENAMINGS)(value, rng)).value
        assert space.canonical_key(space.parse(value)) == space.canonical_key(genotype)


def test_reference_to_a_skip_is_its_source(space):
    through_skip = [8, [0, 1, SKIP, 5], [2, 1, 3, 0], [4, 7, 1, 2]]
    directly = [8, [0, 1, SKIP, 5], [0, 1, 3, 0], [4, 7, 1, 2]]
    assert key(space, through_skip) == key(space, directly)


def test_sum_with_none_is_its_other_term(space):
    of_the_sum = [8, [0, 1, NONE, 5], [4, 4, 1, 2], [7, 1, 0, 0]]
    of_the_term = [8, [0, 1, NONE, 5], [4, 3, 1, 2], [7, 1, 0, 0]]
    assert key(space, of_the_sum) == key(space, of_the_term)


def test_operation_on_none_is_none(space):
    assert key(space, [8, [0, 1, NONE, 5], [2, 1, 3, 0], [4, 7, 1, 2]]) == key(
        space, [8, [0, 1, NONE, 5], [2, 1, NONE, 0], [4, 7, 1, 2]]
    )


def test_none_takes_its_input_out_of_the_output(space):
    """A picked op0 is not collected, even if only `none` picks it."""
    assert key(space, [8, [0, 0, NONE, 5], [0, 0, 3, 0], [0, 0, 1, 2]]) != key(
        space, [8, [1, 0, NONE, 5], [0, 0, 3, 0], [0, 0, 1, 2]]
    )


def test_shared_and_separate_operations_differ(space):
    """Two readers of one convolution are not two convolutions with a reader each."""
    shared = [0, [1, 1, 1, 2], [0, 0, NONE, NONE], [0, 0, NONE, NONE]]
    separate = [0, [1, 0, 1, 0], [3, 0, 2, NONE], [0, 0, NONE, NONE]]
    assert key(space, shared) != key(space, separate)


def test_different_operations_and_wirings_differ(space):
    cell = [8, [0, 1, 1, 5], [4, 2, 3, 0], [4, 7, 1, 2]]
    other = [8, [0, 1, 5, 1], [4, 2, 3, 0], [4, 7, 1, 2]]
    wirings = ([(0, 1), (4, 2), (3, 5)], [(0, 1), (1, 2), (3, 5)], [(0, 1), (4, 4), (3, 5)])
    assert len({key(space, c, w) for c in (cell, other) for w in wirings}) == 6


def test_equal_keys_have_equal_parameters_and_operations():
    rng = random.Random(5)
    space = search_spaces.create("fastnas", branches=4, cells=2, width=4)
    for _ in range(8):
        value = space.sample(rng).value
        renamed = value
        for _ in range(10):
            renamed = space.parse(rng.choice(RENAMINGS)(renamed, rng)).value
        assert costs(space, space.parse(renamed)) == costs(space, space.parse(value))


def test_equal_keys_among_all_small_genotypes_have_equal_costs():
    """Every cell of two layers with five kinds of operation, counted once per key and checked."""
    space = search_spaces.create("fastnas", branches=2, cells=1, width=2, auxiliary="none")
    seen = {}
    for op0, p, q, o, u in itertools.product((1, 4, 9, 10), (0, 1), (0, 1), (1, 9, 10), (1, 4)):
        genotype = space.parse([[op0, [p, q, o, u]], [[0, 3]]])
        found = costs(space, genotype)
        assert seen.setdefault(space.canonical_key(genotype), found) == found
    assert len(seen) > 20


def costs(space, genotype):
    decoder = space.build(
        genotype, encoder_channels=CHANNELS, encoder_strides=STRIDES, num_classes=3
    ).eval()
    features = [torch.zeros(1, c, 64 // s, 64 // s) for c, s in zip(CHANNELS, STRIDES, strict=True)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        decoder(features)
    return sum(p.numel() for p in decoder.parameters()), counter.get_total_flops()


def random_vertices(rng, count):
    """A small graph with few labels, so that many are alike."""
    vertices = [Vertex("input")]
    for number in range(1, count + 1):
        inputs = sorted(rng.sample(range(number), min(number, rng.choice((1, 1, 2)))))
        vertices.append(
            Vertex(rng.choice("aab"), tuple((i, rng.choice((1, 1, 2))) for i in inputs))
        )
    return vertices


def permuted(vertices, order):
    """The same graph with vertex `order[k]` at place k."""
    place = {old: new for new, old in enumerate(order)}
    return [
        Vertex(vertices[old].label, tuple(sorted((place[v], m) for v, m in vertices[old].inputs)))
        for old in order
    ]


def test_text_is_equal_exactly_for_isomorphic_graphs():
    rng = random.Random(6)
    graphs = [random_vertices(rng, 4) for _ in range(60)]
    orders = list(itertools.permutations(range(5)))
    for one, other in itertools.combinations(graphs, 2):
        if sorted(v.label for v in one) != sorted(v.label for v in other):
            continue
        isomorphic = any(permuted(one, order) == other for order in orders)
        assert (canonical_text(one) == canonical_text(other)) == isomorphic


def test_text_of_a_large_symmetric_graph():
    """Ten equal chains: a search through all orders would not end."""
    chains = [Vertex("input")]
    for _ in range(10):
        chains += [Vertex("a", ((0, 1),)), Vertex("b", ((len(chains), 1),))]
    order = list(range(len(chains)))
    random.Random(7).shuffle(order)
    assert canonical_text(permuted(chains, order)) == canonical_text(chains)


def cycles(*lengths):
    """Vertices `b` that join neighbours of cycles of vertices `a`: all look alike from nearby."""
    vertices = [Vertex("input")]
    for length in lengths:
        start = len(vertices)
        vertices += [Vertex("a", ((0, 1),))] * length
        for k in range(length):
            ends = sorted((start + k, start + (k + 1) % length))
            vertices.append(Vertex("b", tuple((end, 1) for end in ends)))
    return vertices


def test_text_tells_graphs_apart_that_look_alike_from_every_vertex():
    assert canonical_text(cycles(3, 4)) != canonical_text(cycles(7))
    rng = random.Random(8)
    for _ in range(5):
        order = rng.sample(range(15), 15)
        assert canonical_text(permuted(cycles(3, 4), order)) == canonical_text(cycles(3, 4))
