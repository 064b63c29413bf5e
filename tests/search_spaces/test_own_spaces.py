"""Spaces that a user brings, and what the base class does for them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import search_spaces
from search_spaces import (
    ClassifierSpace,
    Decision,
    Edge,
    Genotype,
    GenotypeError,
    SearchSpace,
    SpaceError,
)


class Pair(ClassifierSpace):
    name = "pair"
    presets = {"wide": {"width": 8}}

    def __init__(self, width: int = 4) -> None:
        self.width = width
        self.decisions = (Decision("depth", (1, 2)), Decision("pooling", ("mean", "max")))

    def build(self, genotype, *, num_classes, in_channels=3):
        return self.choices(genotype), num_classes


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    registered = search_spaces.registry._SPACES._registered
    monkeypatch.setattr(search_spaces.registry._SPACES, "_registered", dict(registered))


@pytest.fixture
def space():
    return Pair()


HERE = f"{Path(__file__).resolve()}:Pair"


def test_a_registered_space_is_created_by_its_name():
    search_spaces.register(Pair)
    assert search_spaces.names()[-1] == "pair"
    assert search_spaces.create("pair", width=6).options == {"width": 6}
    assert search_spaces.presets("pair") == {"wide": {"width": 8}}
    assert search_spaces.kind("pair") == "classification"


@pytest.mark.parametrize("name", ["pair", HERE, Pair, Pair()])
def test_other_processes_are_told_the_file_of_a_space(name):
    search_spaces.register(Pair)
    assert search_spaces.address(name) == HERE
    assert search_spaces.is_importable(name)


def test_a_space_is_created_by_its_import_path():
    space = search_spaces.create(HERE, width=6)
    assert isinstance(space, Pair)
    assert space.width == 6
    assert search_spaces.kind(HERE) == "classification"


def test_built_in_spaces_are_told_by_their_names():
    fastnas = search_spaces.create("fastnas")
    assert search_spaces.address(fastnas) == search_spaces.address("fastnas") == "fastnas"


def test_a_space_of_a_function_is_not_found_elsewhere():
    @search_spaces.register
    class Local(Pair):
        name = "local"

    assert search_spaces.address("local") == "local"
    assert not search_spaces.is_importable("local")


def test_what_is_no_space_is_refused():
    with pytest.raises(SpaceError, match="must be a subclass of ClassifierSpace or DecoderSpace"):
        search_spaces.create("search_spaces.decision:Decision")


def test_an_unfinished_space_is_refused():
    with pytest.raises(ValueError, match="the search space 'empty' must define build"):

        @search_spaces.register
        class Empty(ClassifierSpace):
            name = "empty"


def test_a_space_without_a_name_is_refused():
    with pytest.raises(ValueError, match="must have the class attribute 'name'"):

        @search_spaces.register
        class Nameless(ClassifierSpace):
            def build(self, genotype, *, num_classes, in_channels=3):
                return None


def test_a_space_of_no_kind_is_refused():
    with pytest.raises(ValueError, match="must have the class attribute 'kind'"):

        @search_spaces.register
        class Unkind(SearchSpace):
            name = "unkind"


def test_a_built_in_name_is_not_given_away():
    with pytest.raises(ValueError, match="there is a search space 'fastnas' already"):

        @search_spaces.register
        class Mine(Pair):
            name = "fastnas"


def test_unknown_option_of_a_space_without_options():
    with pytest.raises(SpaceError, match=r"has no option 'width'; it has none\."):

        @search_spaces.register
        class Fixed(Pair):
            name = "fixed"

            def __init__(self):
                super().__init__()

        search_spaces.create("fixed", width=3)


def test_a_space_may_take_any_option():
    @search_spaces.register
    class Free(Pair):
        name = "free"

        def __init__(self, **given):
            super().__init__()
            self.given = given

    assert search_spaces.create("free", anything=3).given == {"anything": 3}


def test_genotypes_are_lists_of_options(space):
    genotype = space.genotype({"pooling": "max", "depth": 2})
    assert genotype == Genotype("pair", (2, "max")) == space.parse('[2, "max"]')
    assert space.choices(genotype) == {"depth": 2, "pooling": "max"}
    assert space.canonical_key(genotype) == space.network_key(genotype) == '[2,"max"]'


def test_sampled_genotypes_can_be_read_back(space):
    for seed in range(8):
        genotype = space.sample(random.Random(seed))
        assert space.parse(str(genotype)) == genotype


def test_equal_numbers_are_one_genotype(space):
    assert str(space.parse([1.0, "mean"])) == str(space.parse([True, "mean"])) == '[1,"mean"]'


def test_a_candidate_is_drawn_as_its_decisions(space):
    graph = space.graph(space.parse([1, "max"]))
    assert graph.nodes == ("depth = 1", "pooling = max")
    assert graph.edges == (Edge("depth = 1", "pooling = max"),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1", r"'\[1' is no list"),
        ("[1]", r"a genotype of 'pair' is a list of 2 options, not \[1\]"),
        ('"ab"', "a genotype of 'pair' is a list of 2 options, not 'ab'"),
        ([3, "max"], "decision 'depth' has no option 3; choose from 1, 2"),
        ([1, ["max"]], r"decision 'pooling' has no option \['max'\]; choose from mean, max"),
    ],
)
def test_what_is_no_genotype_is_refused(space, value, message):
    with pytest.raises(GenotypeError, match=message):
        space.parse(value)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"depth": 1}, "decision 'pooling' is missing"),
        ({"depth": 1, "pooling": "max", "width": 2}, "no decision 'width'; known: depth, pooling"),
    ],
)
def test_incomplete_and_unknown_choices_are_refused(space, choices, message):
    with pytest.raises(GenotypeError, match=message):
        space.genotype(choices)


def test_a_genotype_of_another_space_is_refused(space):
    with pytest.raises(GenotypeError, match="a genotype of 'other' is none of 'pair'"):
        space.choices(Genotype("other", (1, "max")))


def test_an_option_that_is_not_kept_is_told():
    class Forgetful(Pair):
        name = "forgetful"

        def __init__(self, height=3):
            super().__init__()

    with pytest.raises(SpaceError, match="the space 'forgetful' has no attribute 'height'"):
        _ = Forgetful().options
