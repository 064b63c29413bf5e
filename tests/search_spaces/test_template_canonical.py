from __future__ import annotations

import itertools
import random

import pytest
import torch

import search_spaces
from latency import count_of_maps

CHANNELS, STRIDES, SKIP = (3, 4), (4, 8), 5
OPTIONS = {"templates": 3, "layers": 6, "max_repeats": 2, "width": 4}


@pytest.fixture(scope="module")
def space():
    return search_spaces.create("template", **OPTIONS)


def permute_templates(templates, layers, rng):
    order = rng.sample(range(len(templates)), len(templates))
    moved = [templates[old] for old in order]
    return moved, [(i, j, order.index(t), r, s) for i, j, t, r, s in layers]


def change_unused_templates(templates, layers, rng):
    used = {layer[2] for layer in layers}
    other = (rng.randrange(6), rng.randrange(6), rng.randrange(2))
    changed = [template if n in used else other for n, template in enumerate(templates)]
    return changed, layers


def swap_branches(templates, layers, rng):
    """Swaps the operations of a template that is applied but once, and the inputs of its layers."""
    chosen = rng.randrange(len(templates))
    if any(r for _, _, t, r, _ in layers if t == chosen):
        return templates, layers
    a, b, aggregation = templates[chosen]
    swapped = [*templates[:chosen], (b, a, aggregation), *templates[chosen + 1 :]]
    return swapped, [
        (j, i, t, r, s) if t == chosen else (i, j, t, r, s) for i, j, t, r, s in layers
    ]


def swap_layers(templates, layers, rng):
    """Swaps a layer with the next of its half, unless the next reads it."""
    first = rng.choice([0, 1, 3, 4])
    position = len(CHANNELS) + first
    if position in layers[first + 1][:2]:
        return templates, layers
    renamed = {position: position + 1, position + 1: position}
    later = [
        (renamed.get(i, i), renamed.get(j, j), t, r, s) for i, j, t, r, s in layers[first + 2 :]
    ]
    return templates, [*layers[:first], layers[first + 1], layers[first], *later]


REWRITES = (permute_templates, change_unused_templates, swap_branches, swap_layers)


def costs(space, genotype):
    decoder = space.build(
        genotype, encoder_channels=CHANNELS, encoder_strides=STRIDES, num_classes=3
    )
    shapes = [(1, c, 96 // s, 96 // s) for c, s in zip(CHANNELS, STRIDES, strict=True)]
    return count_of_maps(decoder.eval(), shapes)


@pytest.mark.parametrize("rewrite", REWRITES)
def test_a_rewrite_keeps_the_key(space, rewrite):
    rng = random.Random(1)
    changed = 0
    for _ in range(150):
        genotype = space.sample(rng)
        other = space.parse(rewrite(*genotype.value, rng))
        changed += other != genotype
        assert space.canonical_key(other) == space.canonical_key(genotype)
    assert changed > 20


def test_many_rewrites_keep_key_and_costs(space):
    rng = random.Random(2)
    for _ in range(3):
        genotype = space.sample(rng)
        value = genotype.value
        for _ in range(20):
            value = space.parse(rng.choice(REWRITES)(*value, rng)).value
        other = space.parse(value)
        assert other != genotype
        assert space.canonical_key(other) == space.canonical_key(genotype)
        assert costs(space, other) == costs(space, genotype)


def test_any_change_of_a_decision_that_changes_the_costs_changes_the_key():
    space = search_spaces.create("template", templates=2, layers=3, max_repeats=2, width=4)
    rng = random.Random(3)
    differing = 0
    for _ in range(15):
        genotype = space.sample(rng)
        choices = space.choices(genotype)
        decision = rng.choice(space.decisions)
        other = space.genotype(choices | {decision.name: rng.choice(decision.options)})
        same = space.canonical_key(other) == space.canonical_key(genotype)
        if costs(space, other) != costs(space, genotype):
            differing += 1
            assert not same
    assert differing > 4


def test_equal_keys_among_all_small_genotypes_have_equal_costs():
    """Pairs of layers of one template, with a convolution and a skip."""
    space = search_spaces.create("template", templates=1, layers=2, max_repeats=2, width=2)
    seen = {}
    for (a, b), (i, j), (k, m), r, s in itertools.product(
        ((0, 5), (5, 0)), ((0, 0), (0, 1), (1, 0)), ((0, 2), (2, 0)), (0, 1), (0, 1)
    ):
        genotype = space.parse([[[a, b, 0]], [[i, j, 0, r, s], [k, m, 0, 0, 0]]])
        found = costs(space, genotype)
        assert seen.setdefault(space.canonical_key(genotype), found) == found
    assert 10 < len(seen) < 48


def key(templates, layers, **options):
    sizes = {"templates": len(templates), "layers": len(layers)} | options
    space = search_spaces.create("template", **sizes)
    return space.canonical_key(space.parse([templates, layers]))


def test_repeats_tell_the_branches_apart():
    """The second time, the first operation reads what the second read: no swap is allowed."""
    one = key([[0, 1, 0]], [[0, 0, 0, 1, 0]])
    assert one != key([[1, 0, 0]], [[0, 0, 0, 1, 0]])
    assert key([[0, 1, 0]], [[0, 0, 0, 0, 0]]) == key([[1, 0, 0]], [[0, 0, 0, 0, 0]])


def test_a_skip_is_its_source():
    """Two skips from one map, summed, are applied once more; or in a layer of their own."""
    templates = [[SKIP, SKIP, 0], [0, 0, 0]]
    again = [[0, 0, 0, 1, 0], [2, 2, 1, 0, 0]]
    own_layer = [[0, 0, 0, 0, 0], [0, 2, 0, 0, 0], [3, 3, 1, 0, 0]]
    assert key(templates, again) == key(templates, own_layer)
    assert torch.equal(logits(templates, again), logits(templates, own_layer))


@pytest.mark.parametrize("rewrite", [permute_templates, change_unused_templates])
def test_renamed_templates_give_the_same_logits(space, rewrite):
    rng = random.Random(4)
    changed = 0
    for _ in range(4):
        templates, layers = space.sample(rng).value
        other = rewrite(templates, layers, rng)
        changed += other != (templates, layers)
        assert torch.equal(logits(templates, layers), logits(*other))
    assert changed


def logits(templates, layers):
    """Of a decoder whose weights are drawn in the order of its modules."""
    sizes = {"templates": len(templates), "layers": len(layers), "width": 4}
    space = search_spaces.create("template", **sizes)
    torch.manual_seed(0)
    decoder = space.build(
        space.parse([templates, layers]),
        encoder_channels=CHANNELS,
        encoder_strides=STRIDES,
        num_classes=3,
    )
    generator = torch.Generator().manual_seed(1)
    maps = [
        torch.randn(2, 3, 8, 8, generator=generator),
        torch.randn(2, 4, 4, 4, generator=generator),
    ]
    return decoder(maps)


def test_the_half_matters_only_where_resolutions_differ():
    """Both templates aggregate maps of one resolution: the order of the layers is free."""
    alike = ([[0, 0, 0], [1, 1, 0]], [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0]])
    assert key(*alike) == key(alike[0], alike[1][::-1])
    differing = ([[0, 0, 0], [1, 1, 0]], [[0, 1, 0, 0, 0], [0, 1, 1, 0, 0]])
    assert key(*differing) != key(differing[0], differing[1][::-1])


@pytest.mark.parametrize(
    ("templates", "layers"),
    [
        ([[0, 1, 1]], [[0, 1, 0, 0, 0], [0, 2, 0, 0, 0]]),  # aggregation
        ([[0, 0, 0]], [[0, 1, 0, 0, 0], [0, 2, 0, 0, 0]]),  # operation
        ([[0, 1, 0]], [[1, 1, 0, 0, 0], [0, 2, 0, 0, 0]]),  # input
        ([[0, 1, 0]], [[0, 1, 0, 1, 0], [0, 2, 0, 0, 0]]),  # repeats
        ([[0, 1, 0]], [[0, 1, 0, 0, 1], [0, 2, 0, 0, 0]]),  # stride
        ([[0, 1, 0]], [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]),  # what is collected
    ],
)
def test_every_kind_of_decision_matters(templates, layers):
    assert key([[0, 1, 0]], [[0, 1, 0, 0, 0], [0, 2, 0, 0, 0]]) != key(templates, layers)


def test_stride_of_a_skip_doubles_the_channels():
    layers = [[0, 0, 0, 0, 1], [2, 2, 0, 0, 0]]
    assert key([[SKIP, SKIP, 0]], layers) != key([[SKIP, SKIP, 0]], [[0, 0, 0, 0, 0], layers[1]])
