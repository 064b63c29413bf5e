from __future__ import annotations

import re

import pytest

import search_spaces
from search_spaces import GenotypeError

TEXT = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('none', 0), ('dil_conv_5x5', 2)],"
    " normal_concat=range(2, 4), reduce=[('max_pool_3x3', 0), ('avg_pool_3x3', 1),"
    " ('sep_conv_5x5', 1), ('dil_conv_3x3', 2)], reduce_concat=[2, 3])"
)


@pytest.fixture
def space():
    return search_spaces.create("darts", nodes=2)


def test_published_notation_is_read(space):
    assert space.parse(TEXT).value == (
        (("skip_connect", 0), ("sep_conv_3x3", 1), ("none", 0), ("dil_conv_5x5", 2)),
        (("max_pool_3x3", 0), ("avg_pool_3x3", 1), ("sep_conv_5x5", 1), ("dil_conv_3x3", 2)),
    )


def test_space_around_the_notation_means_nothing(space):
    assert space.parse(f"\n {TEXT.replace(', ', ',  ')} ") == space.parse(TEXT)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("range(2, 4)", "[2]", "normal_concat must hold all nodes, 2 to 3, not [2]"),
        ("range(2, 4)", "range(2, 6)", "normal_concat must hold all nodes, 2 to 3, not range(2"),
        ("range(2, 4)", "range(10**9)", "holds lists, and 10 ** 9 is none"),
        ("range(2, 4)", "range(0, 4, 2)", "holds lists, and range(0, 4, 2) is none"),
        ("range(2, 4)", "range(2, 999999999)", "holds lists, and range(2, 999999999) is none"),
        ("reduce_concat=[2, 3]", "reduce_concat='23'", "reduce_concat must hold all nodes"),
        (", reduce_concat=[2, 3]", "", "normal, normal_concat, reduce, reduce_concat and no more"),
        ("reduce_concat=[2, 3]", "reduce_concat=[2, 3], x=1", "reduce_concat and no more"),
        ("Genotype(", "Genotype([], ", "is Genotype(normal=..., reduce=..., ...)"),
        ("Genotype(", "Genotype((", "is one expression"),
        ("('none', 0)", "print('none')", "holds lists, and ['sep_conv_3x3'"),
        ("('none', 0)", "('none', 3)", "normal node 2 reads input 3"),
        ("[('sep_conv_3x3', 1), ", "[", "the normal cell needs 4 parts"),
    ],
)
def test_what_is_no_published_genotype_is_refused(space, old, new, message):
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    if message.startswith("holds lists, and ['sep"):
        message = "a published genotype holds lists"
    with pytest.raises(GenotypeError, match=re.escape(message)):
        space.parse(text)


def test_every_truncation_of_the_notation_is_refused(space):
    for length in range(len(TEXT)):
        with pytest.raises(GenotypeError):
            space.parse(TEXT[:length])
