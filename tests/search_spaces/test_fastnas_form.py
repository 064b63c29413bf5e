from __future__ import annotations

import json
import random
import re

import pytest

import search_spaces
from search_spaces import Genotype, GenotypeError, SpaceError

ARCH0 = "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]"


@pytest.fixture
def space():
    return search_spaces.create("fastnas")


def test_default_space_has_the_published_size(space):
    assert space.size == 11 * (2 * 5 * 8) ** 2 * 11**6 * (4 * 5 * 6) ** 2


def test_decisions_come_in_the_order_of_the_nested_form(space):
    names = [decision.name for decision in space.decisions]
    assert len(names) == 1 + 3 * 4 + 3 * 2
    assert names[:5] == [
        "cell.op0",
        "cell.node1.input1",
        "cell.node1.input2",
        "cell.node1.op1",
        "cell.node1.op2",
    ]
    assert names[-2:] == ["decoder.block3.input1", "decoder.block3.input2"]


def test_positions_grow_by_three_entries_per_node_and_one_per_block(space):
    options = {decision.name: decision.options for decision in space.decisions}
    assert [len(options[f"cell.node{node}.input1"]) for node in (1, 2, 3)] == [2, 5, 8]
    assert [len(options[f"decoder.block{block}.input2"]) for block in (1, 2, 3)] == [4, 5, 6]


def test_sizes_change_the_decisions():
    space = search_spaces.create("fastnas", branches=1, cells=2, encoder_outputs=2)
    assert [decision.name for decision in space.decisions] == [
        "cell.op0",
        "decoder.block1.input1",
        "decoder.block1.input2",
        "decoder.block2.input1",
        "decoder.block2.input2",
    ]
    assert space.size == 11 * 2**2 * 3**2


def test_choices_of_a_known_genotype(space):
    choices = space.choices(space.parse(ARCH0))
    assert choices["cell.op0"] == "sep_conv5x5_dilation6"
    assert choices["cell.node2.input2"] == 2
    assert choices["cell.node3.op2"] == "global_average_pool"
    assert choices["decoder.block3.input2"] == 0


def test_parse_and_text_are_inverse(space):
    rng = random.Random(0)
    for genotype in (space.sample(rng) for _ in range(100)):
        assert space.parse(str(genotype)) == genotype
        assert space.parse(json.loads(str(genotype))) == genotype
        assert Genotype.from_json(genotype.to_json()) == genotype
    assert str(space.parse(ARCH0)) == ARCH0


def test_choices_and_genotype_are_inverse():
    rng = random.Random(0)
    for branches, cells in ((1, 1), (2, 4), (4, 3), (6, 5)):
        space = search_spaces.create("fastnas", branches=branches, cells=cells)
        for genotype in (space.sample(rng) for _ in range(20)):
            assert space.genotype(space.choices(genotype)) == genotype


def test_text_may_have_spaces(space):
    assert space.parse(ARCH0.replace(",", " , ")) == space.parse(ARCH0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is a JSON list, and this is none"),
        ("[[8,", "is a JSON list, and this is none"),
        ("[" * 100_000, "is a JSON list, and this is none"),
        ("__import__('os')", "is a JSON list, and this is none"),
        ("3", "a genotype must be a list of a cell and decoder blocks, not 3"),
        (ARCH0[:-1] + ",[]]", "a genotype needs 2 parts (a cell and decoder blocks), but has 3"),
        (
            "[[8,[0,0,5,2],[0,2,8,8]],[[3,3],[3,2],[3,0]]]",
            "the cell needs 4 parts (op0 and 3 nodes), but has 3",
        ),
        (
            "[[8,[0,0,5,2],[0,2,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]",
            "node 2 needs 4 parts (two positions and two operations), but has 3",
        ),
        (
            "[[8,[0,0,5,2],[0,7,8,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]",
            "node 2 picks position 7, but only positions 0 to 4 exist",
        ),
        (
            "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,11]],[[3,3],[3,2],[3,0]]]",
            "node 3 picks operation 11, but only operations 0 to 10 exist",
        ),
        (
            "[[-1,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]",
            "the cell picks operation -1, but only operations 0 to 10 exist",
        ),
        (
            "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,2]]]",
            "the decoder needs 3 parts (3 blocks), but has 2",
        ),
        (
            "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,4],[3,2],[3,0]]]",
            "block 1 picks input 4, but only inputs 0 to 3 exist",
        ),
        (
            "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],3,[3,0]]]",
            "block 2 must be a list of two inputs, not 3",
        ),
        (
            "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,true],[3,0]]]",
            "block 2 needs the number of its input, not True",
        ),
        (
            "[[8.0,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]",
            "the cell needs the number of its operation, not 8.0",
        ),
    ],
)
def test_wrong_genotype_is_refused_with_the_place(space, text, message):
    with pytest.raises(GenotypeError, match=re.escape(message)):
        space.parse(text)


def test_every_truncation_of_the_text_is_refused(space):
    for length in range(len(ARCH0)):
        with pytest.raises(GenotypeError):
            space.parse(ARCH0[:length])


def test_missing_unknown_and_wrong_choices_are_refused(space):
    choices = space.choices(space.parse(ARCH0))
    with pytest.raises(GenotypeError, match=r"'cell.node1.op2' is missing"):
        space.genotype({k: v for k, v in choices.items() if k != "cell.node1.op2"})
    with pytest.raises(GenotypeError, match=r"no decision 'cell.node4.op1'"):
        space.genotype({**choices, "cell.node4.op1": "skip"})
    with pytest.raises(GenotypeError, match=r"'cell.op0' has no option 'conv7x7'"):
        space.genotype({**choices, "cell.op0": "conv7x7"})
    with pytest.raises(GenotypeError, match=r"'cell.node1.input1' has no option True"):
        space.genotype({**choices, "cell.node1.input1": True})


def test_genotype_of_another_space_is_refused(space):
    with pytest.raises(GenotypeError, match="'other'"):
        space.canonical_key(Genotype("other", space.parse(ARCH0).value))
    with pytest.raises(GenotypeError, match="the cell needs 3 parts"):
        search_spaces.create("fastnas", branches=3).canonical_key(space.parse(ARCH0))


@pytest.mark.parametrize("name", ["branches", "cells", "width", "repeats", "encoder_outputs"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "4", True, None])
def test_wrong_size_is_refused(name, value):
    with pytest.raises(SpaceError, match=f"{name} must be a whole number of at least 1"):
        search_spaces.create("fastnas", **{name: value})


def test_wrong_auxiliary_is_refused():
    with pytest.raises(SpaceError, match="auxiliary must be one of cell, classifier, none"):
        search_spaces.create("fastnas", auxiliary="heads")
