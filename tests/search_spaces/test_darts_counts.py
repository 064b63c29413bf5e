from __future__ import annotations

import random

import pytest
import torch

import latency
import search_spaces
from search_spaces import SpaceError

# The genotype that the paper's second-order search found.
SECOND_ORDER = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),"
    " ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0),"
    " ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),"
    " ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),"
    " ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def count(space, genotype, classes=10, channels=3, size=32):
    with torch.device("meta"):
        network = space.build(genotype, num_classes=classes, in_channels=channels)
    return latency.count(network, (1, channels, size, size))


def preset(name, **options):
    return search_spaces.create("darts", **(search_spaces.presets("darts")[name] | options))


def test_network_of_the_paper_has_its_parameters():
    """3.3 M in the paper, every term by hand: cells 6 and 13 of the 20 are reductions."""

    def inputs(width, before, last):
        return before * width + last * width + 4 * width

    def normal(width, before, last):
        separable = 2 * (9 * width + width**2 + 2 * width)
        dilated = 9 * width + width**2 + 2 * width
        return inputs(width, before, last) + 5 * separable + dilated

    def stage(width, inner_cells):
        """A reduction cell of pools and skip connections, and normal cells."""
        first = inputs(width, 2 * width, 2 * width) + normal(width, 2 * width, 4 * width)
        return first + inner_cells * normal(width, 4 * width, 4 * width)

    stem = 27 * 108 + 2 * 108
    first_stage = normal(36, 108, 108) + normal(36, 108, 144) + 4 * normal(36, 144, 144)
    expected = stem + first_stage + stage(72, 5) + stage(144, 5) + (576 + 1) * 10
    space = preset("published")
    assert space.published_parameters(space.parse(SECOND_ORDER)) == expected == 3_349_342


def test_built_network_of_the_paper_has_its_parameters():
    space = preset("published")
    genotype = space.parse(SECOND_ORDER)
    assert count(space, genotype).parameters == space.published_parameters(genotype)


def test_built_network_for_imagenet_has_the_published_parameters():
    """4.7 M in the paper."""
    space = preset("published_imagenet")
    genotype = space.parse(SECOND_ORDER)
    counts = count(space, genotype, classes=1000, size=224)
    assert counts.parameters == space.published_parameters(genotype, 1000)
    assert counts.parameters == pytest.approx(4.7e6, rel=0.01)
    assert counts.macs < 600e6


@pytest.mark.parametrize(
    "operation", ["sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]
)
def test_parameters_of_an_operation(operation):
    """One cell of each kind, in which a convolution stands where a pool was."""
    space = search_spaces.create("darts", channels=4, layers=3, nodes=1)
    widths = {"normal": (4,), "reduction": (8, 16)}
    pool = '["max_pool_3x3",0],["max_pool_3x3",1]'
    pools = space.parse(f"[[{pool}],[{pool}]]")
    taps = {"3x3": 9, "5x5": 25}[operation[-3:]]
    repeats = 2 if operation.startswith("sep") else 1
    for place, cell_widths in enumerate(widths.values()):
        cells = [f"[{pool}]"] * 2
        cells[place] = f'[["{operation}",0],["max_pool_3x3",1]]'
        genotype = space.parse(f"[{','.join(cells)}]")
        expected = sum(repeats * (taps * c + c * c + 2 * c) for c in cell_widths)
        for counted in (
            space.published_parameters(genotype) - space.published_parameters(pools),
            count(space, genotype).parameters - count(space, pools).parameters,
        ):
            assert counted == expected


def test_skip_connection_has_parameters_where_the_map_is_halved_only():
    space = search_spaces.create("darts", channels=4, layers=3, nodes=1)
    pool, skip = '["max_pool_3x3",0],["max_pool_3x3",1]', '["skip_connect",0],["max_pool_3x3",1]'
    pools, normal, reduction = (
        space.published_parameters(space.parse(f"[[{n}],[{r}]]"))
        for n, r in ((pool, pool), (skip, pool), (pool, skip))
    )
    assert normal == pools
    assert reduction - pools == (8 * 8 + 2 * 8) + (16 * 16 + 2 * 16)


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 4, "layers": 5, "nodes": 2},
        {"channels": 6, "layers": 4, "nodes": 3, "stem_multiplier": 1},
        {"channels": 2, "layers": 6, "nodes": 2, "stem": "imagenet"},
    ],
)
def test_where_all_contributes_the_built_network_has_the_published_parameters(options):
    space = search_spaces.create("darts", **options)
    rng = random.Random(0)
    for _ in range(4):
        words = {d.name: rng.choice([o for o in d.options if o != "none"]) for d in space.decisions}
        genotype = space.genotype(words)
        published = space.published_parameters(genotype, 7, 2)
        assert count(space, genotype, 7, 2, 28).parameters == published


def test_wrong_numbers_are_refused():
    space = preset("small")
    genotype = space.sample(random.Random(0))
    with pytest.raises(SpaceError, match="num_classes must be a whole number of at least 1, not 0"):
        space.published_parameters(genotype, 0)
    with pytest.raises(SpaceError, match="in_channels must be a whole number of at least 1, not 0"):
        space.build(genotype, num_classes=2, in_channels=0)
