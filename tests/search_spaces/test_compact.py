"""Spaces in which the encoder, its cut and the width of the decoder are decisions."""

from __future__ import annotations

import random

import pytest
import torch

import search_spaces
from search_spaces import EncoderCut, GenotypeError, SpaceError
from search_spaces.compact import Compact

SMALL = {"encoders": ["one", "two"], "strides": [8, 32], "widths": [4, 8]}
FASTNAS = {"decoder": "fastnas", "sizes": {"branches": 2, "cells": 1}}
TEMPLATE = {"decoder": "template", "sizes": {"templates": 1, "layers": 2, "max_repeats": 1}}
PYRAMID = {"decoder": "pyramid", "sizes": {"further": 1}}


@pytest.fixture(params=[FASTNAS, TEMPLATE, PYRAMID], ids=["fastnas", "template", "pyramid"])
def space(request):
    return search_spaces.create("small", **SMALL, **request.param)


@pytest.fixture
def fastnas():
    return search_spaces.create("small", **SMALL, **FASTNAS)


def test_encoder_cut_and_width_are_decided_before_the_decoder(space):
    first = [(decision.name, decision.options) for decision in space.decisions[:3]]
    assert first == [
        ("encoder", ("one", "two")),
        ("encoder.stride", (8, 32)),
        ("decoder.width", (4, 8)),
    ]
    assert space.chooses_encoder


def test_genotypes_can_be_read_from_their_text_and_their_choices(space):
    rng = random.Random(0)
    for _ in range(20):
        genotype = space.sample(rng)
        assert space.parse(str(genotype)) == genotype
        assert space.genotype(space.choices(genotype)) == genotype


def test_options_are_resolved_and_recreate_the_space(space):
    again = search_spaces.create("small", **space.options)
    assert again.fingerprint == space.fingerprint
    assert again.decisions == space.decisions


def test_a_cut_tells_the_encoder_and_the_maps_up_to_its_stride(fastnas):
    genotype = fastnas.parse(["two", 8, 4, [[0, [0, 1, 9, 9]], [[3, 0]]]])
    assert fastnas.cut(genotype) == EncoderCut((4, 8), "two")
    assert fastnas.encoder_strides == (4, 8, 16, 32)
    assert set(fastnas.cuts) == {
        EncoderCut(strides, name) for name in ("one", "two") for strides in ((4, 8), (4, 8, 16, 32))
    }


def test_decoders_take_the_maps_of_the_cut(space):
    rng = random.Random(1)
    for stride, outputs in ((8, 2), (32, 4)):
        choices = space.choices(space.sample(rng)) | {"encoder.stride": stride}
        genotype = space.genotype(choices)
        strides = space.cut(genotype).strides
        assert len(strides) == outputs
        decoder = space.build(
            genotype,
            encoder_channels=(4, 6, 8, 10)[:outputs],
            encoder_strides=strides,
            num_classes=3,
        ).eval()
        maps = [
            torch.randn(1, channels, 64 // one, 64 // one)
            for channels, one in zip((4, 6, 8, 10), strides, strict=False)
        ]
        assert decoder(maps).shape[:2] == (1, 3)


def test_what_lies_behind_the_cut_is_read_as_the_last_map_before_it(fastnas):
    def key(stride, inputs):
        return fastnas.canonical_key(
            fastnas.parse(["one", stride, 4, [[0, [0, 1, 9, 9]], [inputs]]])
        )

    assert key(8, [3, 0]) == key(8, [2, 0]) == key(8, [1, 0])
    assert key(8, [0, 0]) != key(8, [1, 0])
    assert key(32, [3, 0]) != key(32, [2, 0])


def test_layers_keep_their_inputs_behind_fewer_maps():
    space = search_spaces.create("fastnas", branches=1, cells=3, width=4)
    genotype = space.parse([[0], [[3, 1], [4, 2], [5, 4]]])
    fewer, resized = space.resized(genotype, width=8, encoder_outputs=2)
    assert resized.value == ((0,), ((1, 1), (2, 1), (3, 2)))
    assert fewer.options == space.options | {"width": 8, "encoder_outputs": 2}
    assert fewer.encoder_strides == (4, 8)


def test_encoder_cut_and_width_tell_networks_apart(fastnas):
    decoder = [[0, [0, 1, 9, 9]], [[1, 0]]]
    genotypes = [
        fastnas.parse([*own, decoder])
        for own in (["one", 8, 4], ["two", 8, 4], ["one", 32, 4], ["one", 8, 8])
    ]
    assert len({fastnas.canonical_key(genotype) for genotype in genotypes}) == 4
    assert len({fastnas.network_key(genotype) for genotype in genotypes}) == 4


def test_encoders_that_end_within_the_last_stride_are_one_up_to_the_others():
    names = ["net@4", "net@4.2", "net", "hf_hub:net@one", "hf_hub:net@two"]
    space = search_spaces.create("small", **(SMALL | FASTNAS | {"encoders": names}))
    decoder = [[0, [0, 1, 9, 9]], [[1, 0]]]

    def keys(stride):
        genotypes = [space.parse([name, stride, 4, decoder]) for name in names]
        assert [space.cut(genotype).name for genotype in genotypes] == names
        return [{key(one) for one in genotypes} for key in (space.canonical_key, space.network_key)]

    assert [len(found) for found in keys(32)] == [5, 5]
    assert [len(found) for found in keys(8)] == [3, 3]


def test_another_decoder_without_sizes_has_those_of_its_own_space() -> None:
    space = search_spaces.create("small", decoder="template", widths=[16])
    assert space.decisions[3:] == search_spaces.create("template", encoder_outputs=4).decisions
    assert space.options["sizes"] == {}


@pytest.mark.parametrize("name", ["nano", "micro", "small"])
def test_a_new_search_starts_with_pyramids_and_a_former_one_keeps_its_cells(name) -> None:
    started = search_spaces.create(name, **search_spaces.starting_options(name, {}))
    assert started.options["decoder"] == "pyramid"
    assert search_spaces.create(name).options["decoder"] == "fastnas"


def test_what_a_new_search_is_told_of_its_decoder_says_which_it_is() -> None:
    def started(given):
        options = search_spaces.starting_options("small", given)
        return {key: options.get(key) for key in ("decoder", "sizes", "widths")}

    wide = [16, 24, 32, 48, 64, 96]
    assert started({}) == {"decoder": "pyramid", "sizes": None, "widths": wide}
    assert started({"decoder": "pyramid"}) == started({})
    for sizes in ({}, {"further": 1}, 3):
        assert started({"sizes": sizes}) == {"decoder": "pyramid", "sizes": sizes, "widths": wide}
    cells = {"branches": 2}
    assert started({"sizes": cells}) == {"decoder": None, "sizes": cells, "widths": None}
    assert started({"decoder": "template"})["widths"] is None


def test_a_space_of_ones_own_keeps_its_decoder_in_a_new_search() -> None:
    class Own(Compact):
        name = "own"
        defaults = {"encoders": ("one",), "strides": (8,), "widths": (8,), **TEMPLATE}

    assert Own.starting_options({}) == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["three", 8, 4, []], "decision 'encoder' has no option 'three', only one, two"),
        (["one", 16, 4, []], "decision 'encoder.stride' has no option 16, only 8, 32"),
        (["one", 8, True, []], "decision 'decoder.width' has no option True"),
        (["one", 8, 4], "a genotype needs 4 parts"),
        (["one", 8, 4, [[0], [[0, 0]]]], "the cell needs 2 parts"),
    ],
)
def test_a_wrong_genotype_is_refused(fastnas, value, message):
    with pytest.raises(GenotypeError, match=message):
        fastnas.parse(value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoders": []}, "encoders must be a list of at least one"),
        ({"encoders": "lcnet_035"}, "encoders must be a list"),
        ({"encoders": ["one", "one"]}, "encoders lists one twice: one, one"),
        ({"encoders": [1]}, "encoders must be names, not 1"),
        ({"strides": [2]}, "strides must be some of 4, 8, 16, 32, not 2"),
        ({"widths": [0]}, "every number of widths must be a whole number of at least 1"),
        ({"decoder": "darts"}, "decoder must be a space of decoders with 'resized', not 'darts'"),
        ({"decoder": "own.py:Space"}, "decoder must be the name of a space, not 'own.py:Space'"),
        ({"sizes": 3}, "sizes must be options of the decoder, not 3"),
        ({"sizes": {"width": 8}}, "sizes cannot hold 'width'"),
        ({"sizes": {"cellls": 8}}, "no option 'cellls'"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(SpaceError, match=message):
        search_spaces.create("small", **options)


def test_more_encoder_outputs_than_strides_are_refused():
    with pytest.raises(SpaceError, match="encoder_outputs must be at most 4"):
        search_spaces.create("fastnas", encoder_outputs=5)
