from __future__ import annotations

import random

import pytest

import search_spaces
from search_spaces import GenotypeError, SpaceError

SMALL = {"templates": 2, "layers": 3, "max_repeats": 2}
TEXT = "[[[3,0,1],[4,5,0]],[[0,1,1,1,1],[2,0,0,0,0],[2,3,1,1,0]]]"


@pytest.fixture
def space():
    return search_spaces.create("template", **SMALL)


def test_decisions(space):
    operations = (
        "sep_conv3x3",
        "sep_conv5x5",
        "global_average_pool",
        "max_pool3x3",
        "sep_conv5x5_dilation6",
        "skip",
    )
    assert [(decision.name, decision.options) for decision in space.decisions[3:]] == [
        ("template2.op1", operations),
        ("template2.op2", operations),
        ("template2.aggregation", ("sum", "concatenation")),
        ("layer1.input1", (0, 1)),
        ("layer1.input2", (0, 1)),
        ("layer1.template", (1, 2)),
        ("layer1.repeats", (1, 2)),
        ("layer1.stride", (1, 2)),
        ("layer2.input1", (0, 1, 2)),
        ("layer2.input2", (0, 1, 2)),
        ("layer2.template", (1, 2)),
        ("layer2.repeats", (1, 2)),
        ("layer3.input1", (0, 1, 2, 3)),
        ("layer3.input2", (0, 1, 2, 3)),
        ("layer3.template", (1, 2)),
        ("layer3.repeats", (1, 2)),
    ]


def test_size_of_the_published_space():
    templates, inputs = (6 * 6 * 2) ** 3, (2 * 3 * 4 * 5 * 6 * 7 * 8) ** 2
    assert search_spaces.create("template").size == templates * inputs * (3 * 4) ** 7 * 2**3


def test_choices_and_nested_form_describe_the_same(space):
    genotype = space.parse(TEXT)
    choices = space.choices(genotype)
    assert choices["template1.op1"] == "max_pool3x3"
    assert choices["template2.aggregation"] == "sum"
    assert choices["layer1.template"] == 2
    assert choices["layer1.repeats"] == 2
    assert choices["layer1.stride"] == 2
    assert choices["layer3.input2"] == 3
    assert space.genotype(choices) == genotype
    assert str(genotype) == TEXT


@pytest.mark.parametrize("preset", ["search", "released", "small"])
def test_samples_survive_every_form(preset):
    space = search_spaces.create("template", **search_spaces.presets("template")[preset])
    rng = random.Random(0)
    for _ in range(50):
        genotype = space.sample(rng)
        assert space.parse(str(genotype)) == genotype
        assert space.genotype(space.choices(genotype)) == genotype
        assert search_spaces.Genotype.from_json(genotype.to_json()) == genotype


def test_options_recreate_the_space():
    space = search_spaces.create("template", layers=5, encoder_outputs=3, width=8)
    again = search_spaces.create("template", **space.options)
    assert (again.fingerprint, again.decisions) == (space.fingerprint, space.decisions)


@pytest.mark.parametrize(
    ("outputs", "strides"), [(1, (4,)), (2, (4, 8)), (3, (4, 8, 16)), (4, (4, 8, 16, 32))]
)
def test_strides_of_the_encoder(outputs, strides):
    space = search_spaces.create("template", encoder_outputs=outputs)
    assert space.encoder_strides == strides
    assert space.decisions[9].options == tuple(range(outputs))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[3,0,1]", "[6,0,1]", "template 1 has no operation 6, only 0 to 5"),
        ("[4,5,0]", "[4,5,2]", "template 2 has no aggregation 2, only 0 to 1"),
        ("[4,5,0]", "[4,5]", r"template 2 needs 3 parts \(two operations.*\), but has 2"),
        ("[4,5,0]", "[4,true,0]", "template 2 has no operation True"),
        ("[0,1,1,1,1]", "[2,1,1,1,1]", "layer 1 has no input 2, only 0 to 1"),
        ("[2,0,0,0,0]", "[2,3,0,0,0]", "layer 2 has no input 3, only 0 to 2"),
        ("[2,3,1,1,0]", "[2,3,2,1,0]", "layer 3 has no template 2, only 0 to 1"),
        ("[2,3,1,1,0]", "[2,3,1,2,0]", "layer 3 has no number of further repeats 2, only 0 to 1"),
        ("[0,1,1,1,1]", "[0,1,1,1,2]", "layer 1 has no number of halvings 2, only 0 to 1"),
        ("[2,0,0,0,0]", "[2,0,0,0,1]", "layer 2 has 1 halvings, but only the first 1 of 3 layers"),
        ("[2,0,0,0,0]", "[2,0,0,0]", "layer 2 needs 5 parts .*, but has 4"),
        ("[2,0,0,0,0]", "7", "layer 2 must be a list of two inputs, .*, not 7"),
        (",[2,3,1,1,0]", "", r"the second list needs 3 parts \(3 layers\), but has 2"),
        ("[3,0,1],", "", r"the first list needs 2 parts \(2 templates\), but has 1"),
        ("]]]", "]]", "a genotype is a JSON list"),
    ],
)
def test_a_wrong_genotype_is_refused(space, old, new, message):
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    with pytest.raises(GenotypeError, match=message):
        space.parse(text)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layer1.stride": 4}, r"'layer1.stride' has no option 4, only 1, 2"),
        ({"layer2.stride": 1}, r"template has no decision 'layer2.stride'"),
        ({"template1.op1": "conv1x1"}, r"'template1.op1' has no option 'conv1x1'"),
    ],
)
def test_wrong_choices_are_refused(space, changed, message):
    with pytest.raises(GenotypeError, match=message):
        space.genotype(space.choices(space.parse(TEXT)) | changed)


def test_a_missing_choice_is_refused(space):
    choices = space.choices(space.parse(TEXT))
    del choices["layer3.repeats"]
    with pytest.raises(GenotypeError, match=r"'layer3.repeats' is missing"):
        space.genotype(choices)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "layers must be a whole number of at least 1, not 0"),
        ({"templates": 2.0}, "templates must be a whole number"),
        ({"encoder_outputs": 5}, "encoder_outputs must be at most 4, for strides 4, 8, 16, 32"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(SpaceError, match=message):
        search_spaces.create("template", **options)


def test_a_genotype_of_another_space_is_refused(space):
    with pytest.raises(GenotypeError, match="'fastnas' is none of 'template'"):
        space.choices(search_spaces.Genotype("fastnas", space.parse(TEXT).value))


def test_graph_of_a_known_genotype():
    space = search_spaces.create("template", templates=2, layers=3, max_repeats=2)
    graph = space.graph(space.parse("[[[3,0,1],[4,5,0]],[[1,1,1,1,1],[2,1,0,0,0],[1,1,1,0,0]]]"))
    assert graph.nodes == (
        "encoder[1]",
        "layer1.repeat1.sum",
        "layer1.repeat2.sum",
        "layer2.repeat1.concatenation",
        "layer3.repeat1.sum",
        "decoder.output",
    )
    assert [(edge.source, edge.target, edge.label) for edge in graph.edges] == [
        ("encoder[1]", "layer1.repeat1.sum", "sep_conv5x5_dilation6, stride 2"),
        ("encoder[1]", "layer1.repeat1.sum", "skip"),
        ("encoder[1]", "layer1.repeat2.sum", "sep_conv5x5_dilation6, stride 2"),
        ("layer1.repeat1.sum", "layer1.repeat2.sum", "skip"),
        ("layer1.repeat2.sum", "layer2.repeat1.concatenation", "max_pool3x3"),
        ("encoder[1]", "layer2.repeat1.concatenation", "sep_conv3x3"),
        ("encoder[1]", "layer3.repeat1.sum", "sep_conv5x5_dilation6"),
        ("encoder[1]", "layer3.repeat1.sum", "skip"),
        ("layer2.repeat1.concatenation", "decoder.output", ""),
        ("layer3.repeat1.sum", "decoder.output", ""),
    ]


def test_nodes_of_a_graph_are_unique_and_in_topological_order():
    space, rng = search_spaces.create("template"), random.Random(0)
    for _ in range(20):
        graph = space.graph(space.sample(rng))
        place = {node: index for index, node in enumerate(graph.nodes)}
        assert len(place) == len(graph.nodes)
        assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
