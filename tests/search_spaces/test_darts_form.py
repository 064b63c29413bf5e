from __future__ import annotations

import json
import random
import re

import pytest

import search_spaces
from search_spaces import Genotype, GenotypeError, SpaceError

TWO_NODES = (
    '[[["sep_conv_3x3",0],["skip_connect",1],["none",0],["dil_conv_5x5",2]],'
    '[["max_pool_3x3",0],["avg_pool_3x3",1],["sep_conv_5x5",1],["dil_conv_3x3",2]]]'
)


@pytest.fixture
def space():
    return search_spaces.create("darts", nodes=2)


def test_size_counts_pairs_of_earlier_nodes_and_operations():
    assert search_spaces.create("darts").size == (1 * 3 * 6 * 10 * 8**8) ** 2


def test_size_without_none_is_that_of_the_paper():
    """About 10^9 cells, section 3.1 of the paper."""
    inputs = [d for d in search_spaces.create("darts").decisions if d.name.endswith("inputs")]
    pairs = [len(d.options) for d in inputs if d.name.startswith("normal")]
    assert pairs[0] * pairs[1] * pairs[2] * 7**8 == pytest.approx(1e9, rel=0.05)


def test_decisions_come_in_the_order_of_the_nested_form(space):
    names = [decision.name for decision in space.decisions]
    cell = ["node1.op1", "node1.op2", "node2.inputs", "node2.op1", "node2.op2"]
    assert names == [f"{kind}.{name}" for kind in ("normal", "reduction") for name in cell]


def test_options_are_the_published_operations_and_all_pairs():
    options = {d.name: d.options for d in search_spaces.create("darts").decisions}
    assert options["normal.node3.inputs"] == ("0+1", "0+2", "0+3", "1+2", "1+3", "2+3")
    assert options["reduction.node4.op2"] == (
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    )


def test_choices_of_a_known_genotype(space):
    assert space.choices(space.parse(TWO_NODES)) == {
        "normal.node1.op1": "sep_conv_3x3",
        "normal.node1.op2": "skip_connect",
        "normal.node2.inputs": "0+2",
        "normal.node2.op1": "none",
        "normal.node2.op2": "dil_conv_5x5",
        "reduction.node1.op1": "max_pool_3x3",
        "reduction.node1.op2": "avg_pool_3x3",
        "reduction.node2.inputs": "1+2",
        "reduction.node2.op1": "sep_conv_5x5",
        "reduction.node2.op2": "dil_conv_3x3",
    }


def test_text_of_a_known_genotype(space):
    assert str(space.parse(TWO_NODES)) == TWO_NODES


@pytest.mark.parametrize("nodes", [1, 2, 4, 6])
def test_every_genotype_survives_every_form(nodes):
    space = search_spaces.create("darts", nodes=nodes)
    rng = random.Random(0)
    for genotype in (space.sample(rng) for _ in range(50)):
        assert space.genotype(space.choices(genotype)) == genotype
        assert space.parse(str(genotype)) == space.parse(json.loads(str(genotype))) == genotype
        assert Genotype.from_json(genotype.to_json()) == genotype


def test_every_set_of_choices_is_a_genotype_of_its_own():
    space = search_spaces.create("darts", nodes=2)
    rng = random.Random(0)
    every = {tuple(rng.choice(d.options) for d in space.decisions) for _ in range(300)}
    names = [d.name for d in space.decisions]
    assert len({space.genotype(dict(zip(names, c, strict=True))) for c in every}) == len(every)


def test_the_order_of_two_inputs_means_nothing(space):
    swapped = TWO_NODES.replace('["none",0],["dil_conv_5x5",2]', '["dil_conv_5x5",2],["none",0]')
    assert swapped != TWO_NODES
    assert space.parse(swapped) == space.parse(TWO_NODES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is a JSON list, and this is none"),
        ("[[", "is a JSON list, and this is none"),
        ("3", "a genotype must be a list of a normal and a reduction cell, not 3"),
        ("[[]]", "a genotype needs 2 parts (a normal and a reduction cell), but has 1"),
        ("[[],[]]", "the normal cell needs 4 parts (two operations with their inputs for each"),
        (TWO_NODES.replace('["dil_conv_3x3",2]', "2"), "each half of reduction node 2 must be a"),
        (TWO_NODES.replace('"none",0', '"none"'), "each half of normal node 2 needs 2 parts"),
        (TWO_NODES.replace('"none"', '"zero"'), "normal node 2 has no operation 'zero', only none"),
        (TWO_NODES.replace('"none"', "0"), "normal node 2 has no operation 0, only none"),
        (TWO_NODES.replace('"skip_connect",1', '"skip_connect",2'), "normal node 1 reads input 2,"),
        (TWO_NODES.replace('"none",0', '"none",-1'), "input -1, but only inputs 0 to 2 exist"),
        (TWO_NODES.replace('"none",0', '"none",2'), "normal node 2 reads input 2 twice, but needs"),
        (TWO_NODES.replace('"none",0', '"none",true'), "needs the number of its input, not True"),
        (TWO_NODES.replace('"none",0', '"none","0"'), "needs the number of its input, not '0'"),
    ],
)
def test_wrong_genotype_is_refused_with_the_place(space, text, message):
    with pytest.raises(GenotypeError, match=re.escape(message)):
        space.parse(text)


def test_every_truncation_of_the_text_is_refused(space):
    for length in range(len(TWO_NODES)):
        with pytest.raises(GenotypeError):
            space.parse(TWO_NODES[:length])


def test_missing_unknown_and_wrong_choices_are_refused(space):
    choices = space.choices(space.parse(TWO_NODES))
    with pytest.raises(GenotypeError, match=r"'normal.node2.inputs' is missing"):
        space.genotype({k: v for k, v in choices.items() if k != "normal.node2.inputs"})
    with pytest.raises(GenotypeError, match=r"darts has no decision 'normal.node3.op1'"):
        space.genotype({**choices, "normal.node3.op1": "none"})
    with pytest.raises(GenotypeError, match=r"'normal.node2.inputs' has no option '1\+1', only 0"):
        space.genotype({**choices, "normal.node2.inputs": "1+1"})


def test_genotype_of_another_space_is_refused(space):
    genotype = space.parse(TWO_NODES)
    with pytest.raises(GenotypeError, match="a genotype of 'fastnas' is none of 'darts'"):
        space.canonical_key(Genotype("fastnas", genotype.value))
    with pytest.raises(GenotypeError, match="the normal cell needs 8 parts"):
        search_spaces.create("darts").canonical_key(genotype)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels must be a whole number of at least 2, not 0"),
        ({"channels": 7}, "channels must be a multiple of 2, not 7"),
        ({"channels": True}, "channels must be a whole number of at least 2, not True"),
        ({"layers": 2}, "layers must be a whole number of at least 3, not 2"),
        ({"nodes": 0}, "nodes must be a whole number of at least 1, not 0"),
        ({"nodes": "4"}, "nodes must be a whole number of at least 1, not '4'"),
        ({"stem_multiplier": 1.5}, "stem_multiplier must be a whole number of at least 1"),
        ({"stem": "large"}, "stem must be one of cifar, imagenet, not 'large'"),
    ],
)
def test_wrong_option_is_refused(options, message):
    with pytest.raises(SpaceError, match=re.escape(message)):
        search_spaces.create("darts", **options)


def test_options_recreate_the_space():
    options = {"channels": 4, "layers": 5, "nodes": 3, "stem_multiplier": 2, "stem": "imagenet"}
    space = search_spaces.create("darts", **options)
    assert space.options == options
    assert search_spaces.create("darts", **space.options).decisions == space.decisions
