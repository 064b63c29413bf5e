from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest

import search_spaces
from search_spaces import Genotype, GenotypeError, SpaceError

TABLE = Path(__file__).parents[3] / "shared" / "data" / "nasbench201" / "nasbench201.npz"
NESTED = '[["nor_conv_3x3"],["none","skip_connect"],["avg_pool_3x3","nor_conv_1x1","none"]]'
TEXT = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


@pytest.fixture
def space():
    return search_spaces.create("nasbench201")


def test_decisions_are_the_edges_in_the_order_of_the_published_text(space):
    names = [decision.name for decision in space.decisions]
    assert names == ["edge0_1", "edge0_2", "edge1_2", "edge0_3", "edge1_3", "edge2_3"]
    published = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    assert {decision.options for decision in space.decisions} == {published}


def test_size_is_that_of_the_benchmark(space):
    assert space.size == 15_625


def test_choices_of_a_known_cell(space):
    assert space.choices(space.parse(TEXT)) == {
        "edge0_1": "nor_conv_3x3",
        "edge0_2": "none",
        "edge1_2": "skip_connect",
        "edge0_3": "avg_pool_3x3",
        "edge1_3": "nor_conv_1x1",
        "edge2_3": "none",
    }


def test_nested_form_and_published_text_are_one_genotype(space):
    assert space.parse(NESTED) == space.parse(TEXT) == space.parse(f" {TEXT}\n")
    assert str(space.parse(TEXT)) == NESTED
    assert space.architecture_string(space.parse(NESTED)) == TEXT


def test_every_cell_survives_every_form(space):
    options = [decision.options for decision in space.decisions]
    for words in random.Random(0).sample(list(itertools.product(*options)), 500):
        genotype = space.genotype(dict(zip(space.choices(space.parse(TEXT)), words, strict=True)))
        assert space.genotype(space.choices(genotype)) == genotype
        assert space.parse(str(genotype)) == space.parse(json.loads(str(genotype))) == genotype
        assert space.parse(space.architecture_string(genotype)) == genotype
        assert Genotype.from_json(genotype.to_json()) == genotype


@pytest.mark.skipif(not TABLE.is_file(), reason="needs the table in ../shared/data/nasbench201")
def test_texts_are_those_of_the_table(space):
    for text in np.load(TABLE)["arch"].tolist():
        assert space.architecture_string(space.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is a JSON list, and this is none"),
        ("[[" * 50_000, "is a JSON list, and this is none"),
        ("3", "a genotype must be a list of the edges into nodes 1 to 3, not 3"),
        ("[[],[]]", "a genotype needs 3 parts (the edges into nodes 1 to 3), but has 2"),
        ('[["none"],["none"],[]]', "node 2 needs 2 parts (one operation for each earlier node)"),
        ('[[],["none","none"],[]]', "node 1 needs 1 part (one operation), but has 0"),
        (NESTED.replace("skip_connect", "skip"), "edge 1->2 has no operation 'skip', only none, "),
        (NESTED.replace('"nor_conv_3x3"', "3"), "edge 0->1 has no operation 3, only none"),
        (NESTED.replace('["nor_conv_3x3"]', '"none"'), "node 1 must be a list of one operation"),
        (TEXT.replace("+", ""), "a genotype needs 3 parts"),
        (TEXT[:-1], "node 3 must stand between bars, such as |none~0|, not '|avg_pool_3x3~0|nor"),
        (TEXT.replace("none~2", "none~1"), "edge 2->3 must end in ~2, not be 'none~1'"),
        (TEXT.replace("none~2", "none"), "edge 2->3 must end in ~2, not be 'none'"),
        (TEXT.replace("none~0|", ""), "node 2 needs 2 parts"),
        (TEXT.replace("none~0", "conv~0"), "edge 0->2 has no operation 'conv'"),
        ("|+|+|", "node 1 must stand between bars"),
    ],
)
def test_wrong_genotype_is_refused_with_the_place(space, text, message):
    with pytest.raises(GenotypeError, match=re.escape(message)):
        space.parse(text)


@pytest.mark.parametrize("whole", [NESTED, TEXT])
def test_every_truncation_is_refused(space, whole):
    for length in range(len(whole)):
        with pytest.raises(GenotypeError):
            space.parse(whole[:length])


def test_missing_unknown_and_wrong_choices_are_refused(space):
    choices = space.choices(space.parse(TEXT))
    with pytest.raises(GenotypeError, match=r"'edge2_3' is missing"):
        space.genotype({name: word for name, word in choices.items() if name != "edge2_3"})
    with pytest.raises(GenotypeError, match=r"nasbench201 has no decision 'edge3_4'"):
        space.genotype({**choices, "edge3_4": "none"})
    with pytest.raises(GenotypeError, match=r"'edge0_1' has no option 'conv', only none, skip_con"):
        space.genotype({**choices, "edge0_1": "conv"})
    with pytest.raises(GenotypeError, match=r"'edge0_1' has no option \['none'\]"):
        space.genotype({**choices, "edge0_1": ["none"]})


def test_genotype_of_another_space_is_refused(space):
    with pytest.raises(GenotypeError, match="a genotype of 'fastnas' is none of 'nasbench201'"):
        space.canonical_key(Genotype("fastnas", space.parse(TEXT).value))


@pytest.mark.parametrize("name", ["channels", "cells"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "4", True, None])
def test_wrong_size_is_refused(name, value):
    with pytest.raises(SpaceError, match=f"{name} must be a whole number of at least 1"):
        search_spaces.create("nasbench201", **{name: value})


def test_wrong_stem_is_refused():
    with pytest.raises(SpaceError, match="stem must be one of cifar, imagenet, not 'small'"):
        search_spaces.create("nasbench201", stem="small")


def test_options_recreate_the_space():
    space = search_spaces.create("nasbench201", channels=4, cells=2, stem="imagenet")
    again = search_spaces.create("nasbench201", **space.options)
    assert again.fingerprint == space.fingerprint == "nasbench201(cells=2,channels=4,stem=imagenet)"
