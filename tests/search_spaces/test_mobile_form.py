from __future__ import annotations

import json
import math
import random
import subprocess
import sys

import pytest

import search_spaces
from search_spaces import GenotypeError, SpaceError

TINY = {
    "widths": [16, 32],
    "strides": [1, 2, 2],
    "kernels": [3, 5],
    "expansions": [2, 4],
    "depths": [1, 2],
    "width_multipliers": [0.5, 1.0],
}


@pytest.fixture
def space():
    return search_spaces.create("mobile", **TINY)


def test_decisions_of_a_stage(space):
    assert [(decision.name, decision.options) for decision in space.decisions[5:]] == [
        ("stage2.kernel", (3, 5)),
        ("stage2.expansion", (2, 4)),
        ("stage2.depth", (1, 2)),
        ("stage2.width", (16, 32)),
        ("stage2.squeeze_excitation", (0, 1)),
    ]
    assert space.size == 2**10


def test_choices_and_nested_form_describe_the_same(space):
    genotype = space.parse("[[3,2,1,8,0],[5,4,2,32,1]]")
    choices = space.choices(genotype)
    assert choices["stage1.width"] == 8
    assert choices["stage2.kernel"] == 5
    assert choices["stage2.squeeze_excitation"] == 1
    assert space.genotype(choices) == genotype
    assert str(genotype) == "[[3,2,1,8,0],[5,4,2,32,1]]"


@pytest.mark.parametrize("preset", ["imagenet", "small_images", "tiny"])
def test_samples_survive_every_form(preset):
    space = search_spaces.create("mobile", **search_spaces.presets("mobile")[preset])
    rng = random.Random(0)
    for _ in range(50):
        genotype = space.sample(rng)
        assert space.parse(str(genotype)) == genotype
        assert space.genotype(space.choices(genotype)) == genotype
        assert search_spaces.Genotype.from_json(genotype.to_json()) == genotype


def test_options_survive_json_and_recreate_the_space(space):
    options = json.loads(json.dumps(space.options))
    assert options == space.options
    again = search_spaces.create("mobile", **options)
    assert (again.fingerprint, again.decisions) == (space.fingerprint, space.decisions)


def test_without_options_it_is_the_space_for_small_images():
    small = search_spaces.create("mobile", **search_spaces.presets("mobile")["small_images"])
    assert search_spaces.create("mobile").fingerprint == small.fingerprint


@pytest.mark.parametrize(
    ("base", "multipliers", "widths"),
    [
        (40, [0.75, 1.0, 1.25], (32, 40, 48)),  # 50 goes down to 48, which is above 45
        (24, [0.35, 0.75, 1.0], (8, 24)),  # 18 goes up to 24: 16 is under 16.2
        (8, [0.5, 1.0, 1.5], (8, 16)),  # 4 goes up to 8, 12 is halfway to 16
        (112, [1.0, 1.3], (112, 144)),  # 145.6
    ],
)
def test_widths_are_rounded_to_multiples_of_8_and_count_once(base, multipliers, widths):
    options = TINY | {"widths": [base, 32], "width_multipliers": multipliers}
    assert search_spaces.create("mobile", **options).decisions[3].options == widths


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[3,2,1,8,0]]", r"a genotype needs 2 parts \(2 stages\), but has 1"),
        ("[[3,2,1,8,0],[5,4,2,32]]", r"stage 2 needs 5 parts \(kernel, .*\), but has 4"),
        ("[[3,2,1,8,0],7]", "stage 2 must be a list of kernel, .*, not 7"),
        ("[[7,2,1,8,0],[5,4,2,32,1]]", "stage 1 has no kernel 7, only 3, 5"),
        ("[[3,2,1,8,0],[5,3,2,32,1]]", "stage 2 has no expansion 3, only 2, 4"),
        ("[[3,2,0,8,0],[5,4,2,32,1]]", "stage 1 has no depth 0, only 1, 2"),
        ("[[3,2,1,8,0],[5,4,2,24,1]]", "stage 2 has no width 24, only 16, 32"),
        ("[[3,2,1,8,true],[5,4,2,32,1]]", "stage 1 has no squeeze_excitation True, only 0, 1"),
        ("[[3,2,1,8,0],[5,4,2.0,32,1]]", "stage 2 has no depth 2.0, only 1, 2"),
        ("[[3,2", "a genotype is a JSON list"),
        ("3", "a genotype must be a list of 2 stages, not 3"),
    ],
)
def test_a_wrong_genotype_is_refused(space, text, message):
    with pytest.raises(GenotypeError, match=message):
        space.parse(text)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stage1.kernel": 7}, r"'stage1.kernel' has no option 7, only 3, 5"),
        ({"stage1.squeeze_excitation": True}, "no squeeze_excitation True"),
        ({"stage3.kernel": 3}, r"mobile has no decision 'stage3.kernel'"),
    ],
)
def test_wrong_choices_are_refused(space, changed, message):
    choices = space.choices(space.parse("[[3,2,1,8,0],[5,4,2,32,1]]"))
    with pytest.raises(GenotypeError, match=message):
        space.genotype(choices | changed)


def test_a_missing_choice_is_refused(space):
    choices = space.choices(space.parse("[[3,2,1,8,0],[5,4,2,32,1]]"))
    del choices["stage2.depth"]
    with pytest.raises(GenotypeError, match=r"'stage2.depth' is missing"):
        space.genotype(choices)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"widths": []}, "at least one stage"),
        ({"widths": [16, 0]}, "every number of widths must be a whole number of at least 1"),
        ({"widths": 16}, "widths must be a list of numbers, not 16"),
        ({"strides": [1, 2]}, "strides needs 3 numbers, for the stem and for every stage"),
        ({"strides": [1, 2, 3]}, "every number of strides must be 1 or 2, not 3"),
        ({"kernels": [3, 4]}, "every number of kernels must be odd, not 4"),
        ({"kernels": [3, 3]}, "kernels lists a number twice: 3, 3"),
        ({"expansions": []}, "expansions needs at least one number"),
        ({"expansions": [1.5]}, "every number of expansions must be a whole number"),
        ({"depths": [0, 1]}, "every number of depths must be a whole number of at least 1, not 0"),
        ({"width_multipliers": [1.0, 0.0]}, "every number of width_multipliers must be above 0"),
        ({"width_multipliers": [math.nan]}, "every number of width_multipliers must be above 0"),
        ({"width_multipliers": [[1]]}, "every number of width_multipliers must be above 0"),
        ({"width_multipliers": "wide"}, "width_multipliers must be a list of numbers"),
        ({"stem_width": 0}, "stem_width must be a whole number"),
        ({"head_width": True}, "head_width must be a whole number"),
        ({"activation": "tanh"}, "activation must be one of relu, relu6, hard_swish, silu"),
    ],
)
def test_a_wrong_option_is_refused(changed, message):
    with pytest.raises(SpaceError, match=message):
        search_spaces.create("mobile", **TINY | changed)


def test_a_genotype_of_another_space_is_refused(space):
    with pytest.raises(GenotypeError, match="'fastnas' is none of 'mobile'"):
        space.choices(search_spaces.Genotype("fastnas", ((3, 2, 1, 8, 0), (5, 4, 2, 32, 1))))


@pytest.mark.parametrize("name", ["mobile", "template"])
def test_describing_the_space_does_without_torch(name):
    script = f"""
import random, sys
import search_spaces
space = search_spaces.create("{name}")
genotype = space.sample(random.Random(0))
space.canonical_key(genotype), space.graph(genotype), space.choices(genotype)
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
