from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import latency
import search_spaces
from search_spaces import SpaceError

TABLE = Path(__file__).parents[3] / "shared" / "data" / "nasbench201" / "nasbench201.npz"
# Every edge of these contributes, and no operation of theirs is used twice.
ALIVE = tuple(
    "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*words.split())
    for words in (
        "nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 nor_conv_3x3",
        "nor_conv_1x1 nor_conv_1x1 nor_conv_1x1 nor_conv_1x1 nor_conv_1x1 nor_conv_1x1",
        "skip_connect skip_connect skip_connect skip_connect skip_connect skip_connect",
        "avg_pool_3x3 avg_pool_3x3 avg_pool_3x3 avg_pool_3x3 avg_pool_3x3 avg_pool_3x3",
        "nor_conv_3x3 nor_conv_1x1 nor_conv_3x3 skip_connect nor_conv_1x1 avg_pool_3x3",
        "nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 skip_connect nor_conv_3x3 nor_conv_3x3",
        "none nor_conv_3x3 none nor_conv_1x1 none nor_conv_3x3",
        "nor_conv_3x3 none skip_connect none nor_conv_3x3 nor_conv_1x1",
    )
)
# The cell, and how many convolutions 3x3 and 1x1 of it contribute.
PARTLY_DEAD = (
    ("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_1x1~0|none~1|none~2|", 0, 1),
    ("|none~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|none~0|nor_conv_3x3~1|nor_conv_1x1~2|", 0, 2),
    ("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|nor_conv_3x3~0|skip_connect~1|none~2|", 2, 0),
    ("|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|", 0, 0),
)


@pytest.fixture(scope="module")
def space():
    return search_spaces.create("nasbench201")


@pytest.fixture(scope="module")
def cells(space):
    """All 15,625 genotypes with their numbers of convolutions 3x3 and 1x1."""
    names = [decision.name for decision in space.decisions]
    options = [decision.options for decision in space.decisions]
    return [
        (
            space.genotype(dict(zip(names, words, strict=True))),
            words.count("nor_conv_3x3"),
            words.count("nor_conv_1x1"),
        )
        for words in itertools.product(*options)
    ]


def build(space, text, num_classes=10):
    with torch.device("meta"):
        return space.build(space.parse(text), num_classes=num_classes)


def published_extras(network, shape):
    """What the paper's counter adds: 2 for every normalised value, 1 for every pooled one."""
    total = 0

    def note(module, inputs, output):
        nonlocal total
        total += 2 * output.numel() if isinstance(module, nn.BatchNorm2d) else inputs[0].numel()

    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.AdaptiveAvgPool2d)):
            module.register_forward_hook(note)
    network.eval()(torch.empty(shape, device="meta"))
    return total


def test_parameters_of_all_cells_are_the_closed_form(space, cells):
    for genotype, large, small in cells:
        assert space.published_parameters(genotype) == 73_306 + 243_040 * large + 28_000 * small


def test_macs_of_all_cells_are_the_closed_form(space, cells):
    for genotype, large, small in cells:
        expected = 7_877_248 + 35_676_160 * large + 4_218_880 * small
        assert space.published_macs(genotype) == expected


@pytest.mark.skipif(not TABLE.is_file(), reason="needs the table in ../shared/data/nasbench201")
def test_counts_of_all_cells_are_those_of_the_table(space):
    table = np.load(TABLE)
    genotypes = [space.parse(text) for text in table["arch"].tolist()]
    assert [space.published_parameters(g) for g in genotypes] == table["params"].tolist()
    assert [space.published_macs(g) for g in genotypes] == table["flops"].tolist()


@pytest.mark.parametrize("text", ALIVE)
def test_built_network_has_the_published_counts(space, text):
    network, genotype = build(space, text), space.parse(text)
    counts = latency.count(network, (1, 3, 32, 32))
    assert counts.parameters == space.published_parameters(genotype)
    extras = published_extras(network, (1, 3, 32, 32))
    assert counts.macs + extras == space.published_macs(genotype)


@pytest.mark.parametrize(("text", "large", "small"), PARTLY_DEAD)
def test_built_network_has_the_counts_of_what_contributes(space, text, large, small):
    network = build(space, text)
    counts = latency.count(network, (1, 3, 32, 32))
    assert counts.parameters == 73_306 + 243_040 * large + 28_000 * small
    extras = published_extras(network, (1, 3, 32, 32))
    assert counts.macs + extras == 7_877_248 + 35_676_160 * large + 4_218_880 * small


def test_cell_of_zeros_leaves_a_bias(space):
    network = build(space, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", num_classes=7)
    assert sum(p.numel() for p in network.parameters()) == 7
    assert latency.count(network, (1, 3, 32, 32)).macs == 0


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"channels": 3, "cells": 2}, 28),
        ({"channels": 5, "cells": 1, "stem": "imagenet"}, 64),
        ({"channels": 4, "cells": 1, "stem": "imagenet"}, 50),
        ({"channels": 4, "cells": 1}, 31),
    ],
)
def test_counts_of_other_sizes_are_those_of_the_built_network(options, size):
    space = search_spaces.create("nasbench201", **options)
    for text in random.Random(0).sample(ALIVE, 2):
        genotype = space.parse(text)
        with torch.device("meta"):
            network = space.build(genotype, num_classes=7, in_channels=2)
        counts = latency.count(network, (1, 2, size, size))
        assert counts.parameters == space.published_parameters(genotype, 7, 2)
        extras = published_extras(network, (1, 2, size, size))
        assert counts.macs + extras == space.published_macs(genotype, 7, size, 2)


@pytest.mark.parametrize("name", ["num_classes", "size", "in_channels"])
def test_wrong_numbers_are_refused(space, name):
    with pytest.raises(SpaceError, match=f"{name} must be a whole number of at least 1, not 0"):
        space.published_macs(space.parse(ALIVE[0]), **{name: 0})
