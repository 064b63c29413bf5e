from __future__ import annotations

import itertools
import random
from collections import defaultdict

import pytest
import torch

import latency
import search_spaces

POOLS = '["max_pool_3x3",0],["max_pool_3x3",1]'
SEP, DIL, SKIP, NONE, POOL = (
    "sep_conv_3x3",
    "dil_conv_3x3",
    "skip_connect",
    "none",
    "avg_pool_3x3",
)


@pytest.fixture
def space():
    return search_spaces.create("darts", channels=2, layers=4, nodes=3)


def key(space, normal, reduction=None):
    """Key of cells given as rows of operation, input, operation, input."""
    cells = [
        [[row[k], row[k + 1]] for row in rows for k in (0, 2)]
        for rows in (normal, reduction or [["max_pool_3x3", 0, "max_pool_3x3", 1]] * len(normal))
    ]
    return space.canonical_key(space.parse(cells))


def reordered(cell, rng):
    """A cell with its nodes in another order, and the old number of each of its nodes."""
    nodes = [cell[k : k + 2] for k in range(0, len(cell), 2)]
    order = []
    while len(order) < len(nodes):
        ready = [
            n
            for n, node in enumerate(nodes)
            if n not in order and all(i < 2 or i - 2 in order for _, i in node)
        ]
        order.append(rng.choice(ready))
    place = {0: 0, 1: 1} | {old + 2: new + 2 for new, old in enumerate(order)}
    moved = [[word, place[i]] for old in order for word, i in rng.sample(nodes[old], 2)]
    return moved, order


def operation_names(cell, other, order):
    """Names of operations of the other cell, and theirs in the cell; both sorted by input."""
    names = {}
    for new, old in enumerate(order):
        place = {0: 0, 1: 1} | {o + 2: n + 2 for n, o in enumerate(order)}
        inputs = [place[i] for _, i in cell[2 * old : 2 * old + 2]]
        ranks = sorted(range(2), key=inputs.__getitem__)
        for k, rank in enumerate(ranks, 1):
            names[f"node{new + 1}_op{k}"] = f"node{old + 1}_op{rank + 1}"
    assert len(other) == len(cell)
    return names


def test_order_of_nodes_and_inputs_means_nothing():
    rng = random.Random(0)
    changed = 0
    for nodes in (2, 4, 6):
        space = search_spaces.create("darts", nodes=nodes, layers=5)
        for genotype in (space.sample(rng) for _ in range(25)):
            other = space.parse([reordered(cell, rng)[0] for cell in genotype.value])
            changed += other != genotype
            assert space.canonical_key(other) == space.canonical_key(genotype)
    assert changed > 20


def test_reordered_cells_compute_the_same():
    space = search_spaces.create("darts", channels=2, layers=4, nodes=4)
    rng = random.Random(1)
    torch.manual_seed(0)
    for _ in range(3):
        words = {d.name: rng.choice([o for o in d.options if o != NONE]) for d in space.decisions}
        genotype = space.genotype(words)
        cells = [reordered(cell, rng) for cell in genotype.value]
        other = space.parse([cell for cell, _ in cells])
        one, two = (space.build(g, num_classes=3).eval() for g in (genotype, other))
        two.load_state_dict(moved_weights(one, genotype, other, [order for _, order in cells]))
        images = torch.randn(2, 3, 16, 16)
        torch.testing.assert_close(one(images), two(images), rtol=1e-4, atol=1e-5)


def moved_weights(network, genotype, other, orders):
    """The weights of a network under the names of the one with reordered cells."""
    names = [
        operation_names(*cells) for cells in zip(genotype.value, other.value, orders, strict=True)
    ]
    is_reduction = [number in (1, 2) for number in range(4)]
    ours = network.state_dict()
    moved = {}
    for key in ours:
        parts = key.split(".")
        if parts[0] == "cells" and parts[2] == "operations":
            back = {old: new for new, old in names[is_reduction[int(parts[1])]].items()}
            moved[".".join([*parts[:3], back[parts[3]], *parts[4:]])] = ours[key]
            continue
        moved[key] = ours[key]
        if key == "classifier.weight":
            moved[key] = blocks_in_order(ours[key], orders[is_reduction[3]])
        elif parts[0] == "cells" and ours[key].dim() == 4:
            read = int(parts[1]) - 2 + int(parts[3])
            if read >= 0:
                moved[key] = blocks_in_order(ours[key], orders[is_reduction[read]])
    return moved


def blocks_in_order(weight, order):
    return torch.cat([weight.chunk(len(order), dim=1)[old] for old in order], dim=1)


def test_skip_connection_is_its_input(space):
    through = [[SEP, 0, SEP, 1], [SKIP, 2, NONE, 0], [DIL, 3, SEP, 0]]
    directly = [[SEP, 0, SEP, 1], [SKIP, 2, NONE, 0], [DIL, 2, SEP, 0]]
    assert key(space, through) == key(space, directly)


def test_input_of_none_means_nothing(space):
    one = [[SEP, 0, SEP, 1], [SEP, 2, NONE, 0], [DIL, 3, SEP, 0]]
    other = [[SEP, 0, SEP, 1], [SEP, 2, NONE, 1], [DIL, 3, SEP, 0]]
    assert key(space, one) == key(space, other)


def test_node_of_zeros_is_no_part_of_the_network(space):
    """Whatever reads it alone is none either."""
    one = [[NONE, 0, NONE, 1], [SEP, 2, SEP, 1], [SEP, 2, DIL, 0]]
    other = [[NONE, 0, SEP, 1], [NONE, 2, NONE, 1], [NONE, 2, DIL, 0]]
    assert key(space, one) == key(space, other)


def test_pool_is_the_same_wherever_it_is_chosen(space):
    one = [[POOL, 0, SEP, 1], [POOL, 0, DIL, 1], [SEP, 2, SEP, 3]]
    other = [[POOL, 0, SEP, 1], [DIL, 1, POOL, 0], [SEP, 2, SEP, 3]]
    apart = [[POOL, 0, SEP, 1], [POOL, 1, DIL, 0], [SEP, 2, SEP, 3]]
    assert key(space, one) == key(space, other) != key(space, apart)


def test_cells_that_only_unread_cells_would_read_do_not_count():
    """With a last cell that reads the older input alone, the one before it is not built."""
    space = search_spaces.create("darts", channels=2, layers=3, nodes=2)
    # Cells 1 and 2 are reductions: cell 2 reads cell 0, which reads the stem.
    reduction = [[SEP, 0, NONE, 1], [SKIP, 2, NONE, 0]]
    other = [[SEP, 0, NONE, 1], [SKIP, 2, SEP, 1]]
    normal = [[SEP, 0, DIL, 1], [SKIP, 2, NONE, 0]]
    assert key(space, normal, reduction).startswith("0: ")
    assert "1" not in {part.split(":")[0] for part in key(space, normal, reduction).split(" | ")}
    assert key(space, normal, reduction) != key(space, normal, other)


def test_all_networks_without_a_map_are_one():
    space = search_spaces.create("darts", layers=3, nodes=1)
    zeros = [[NONE, 0, NONE, 1]]
    keys = {key(space, normal, zeros) for normal in ([[SEP, 0, DIL, 1]], [[SKIP, 0, NONE, 1]])}
    assert keys == {"nothing"}
    assert keys != {key(space, zeros, [[SEP, 0, DIL, 1]])}


def test_different_operations_and_wirings_differ(space):
    cells = (
        [[SEP, 0, SEP, 1], [SEP, 2, DIL, 0], [SEP, 3, SKIP, 1]],
        [[SEP, 0, SEP, 1], [SEP, 2, DIL, 1], [SEP, 3, SKIP, 1]],
        [[SEP, 0, SEP, 1], [DIL, 2, SEP, 0], [SEP, 3, SKIP, 1]],
        [[SEP, 0, SEP, 1], [SEP, 2, DIL, 0], [SEP, 2, SKIP, 1]],
        [[SEP, 0, SEP, 1], [SEP, 2, DIL, 0], [POOL, 3, SKIP, 1]],
        [[SEP, 0, DIL, 1], [SEP, 2, DIL, 0], [SEP, 3, SKIP, 1]],
        [[DIL, 0, SEP, 1], [SEP, 2, DIL, 0], [SEP, 3, SKIP, 1]],
    )
    assert len({key(space, cell) for cell in cells}) == len(cells)
    assert len({key(space, cells[0], cell) for cell in cells}) == len(cells)


def test_normal_and_reduction_cell_are_not_exchangeable(space):
    one = [[SEP, 0, SEP, 1], [SEP, 2, DIL, 0], [SEP, 3, SKIP, 1]]
    other = [[SEP, 0, DIL, 1], [SEP, 2, DIL, 0], [SEP, 3, SKIP, 1]]
    assert key(space, one, other) != key(space, other, one)


def test_equal_keys_among_all_cells_of_two_nodes_have_equal_counts():
    space = search_spaces.create("darts", channels=2, layers=3, nodes=2, stem_multiplier=1)
    choices = {d.name: d.options[-1] for d in space.decisions}
    normal = [name for name in choices if name.startswith("normal")]
    options = ([NONE, SKIP, SEP] if ".op" in name else ["0+1", "0+2", "1+2"] for name in normal)
    classes = defaultdict(list)
    for words in itertools.product(*options):
        genotype = space.genotype(choices | dict(zip(normal, words, strict=True)))
        classes[space.canonical_key(genotype)].append(genotype)
    shared = [members for members in classes.values() if len(members) > 1]
    assert len(classes) > len(shared) > 20
    for members in random.Random(3).sample(shared, 8):
        assert len({counts(space, genotype) for genotype in (members[0], members[-1])}) == 1


def test_equal_keys_among_random_genotypes_have_equal_counts():
    """Few operations, many zeros, and rewritten forms, so that keys repeat."""
    space = search_spaces.create("darts", channels=2, layers=5, nodes=3, stem_multiplier=1)
    rng = random.Random(4)
    for _ in range(4):
        words = {d.name: rng.choice(d.options) for d in space.decisions}
        words |= {n: rng.choice((NONE, SKIP, POOL, SEP)) for n in words if ".op" in n}
        genotype = space.genotype(words)
        other = space.parse([reordered(cell, rng)[0] for cell in genotype.value])
        assert counts(space, other) == counts(space, genotype)


def counts(space, genotype):
    with torch.device("meta"):
        network = space.build(genotype, num_classes=2)
    return latency.count(network, (1, 3, 16, 16))
