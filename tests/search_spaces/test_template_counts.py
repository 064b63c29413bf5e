"""Parameters and multiply-accumulates of template decoders, against counts by hand."""

from __future__ import annotations

import pytest

import search_spaces
from latency import count_of_maps

ARCH0 = (
    "[[[3,0,1],[4,1,1],[3,1,1]],[[0,1,0,0,1],[2,1,2,1,0],[3,1,1,1,0],[1,1,2,0,0],"
    "[3,0,2,0,0],[5,3,2,1,0],[0,5,0,1,0]]]"
)
ARCH1 = (
    "[[[1,1,0],[1,3,0],[3,4,0]],[[1,1,0,0,0],[0,1,1,1,1],[3,1,2,3,0],[3,0,2,2,0],"
    "[0,1,2,0,0],[2,1,1,3,0],[4,0,2,2,0]]]"
)
# MobileNetV2's stem and its blocks of 16, 24, 24, 32, 32 and 32 channels. The paper's code has a
# 1x1 expansion in the first block too, with 32 * 32 weights and 2 * 32 of its batch norm.
ENCODER = 928 + 896 + (32 * 32 + 2 * 32) + 5_136 + 8_832 + 10_000 + 2 * 14_848

WIDTH, CLASSES = 6, 5
FINE, COARSE = 16 * 16, 8 * 8


def counts(text, channels=(3, 4), separable_repeats=1, **options):
    """Of a decoder whose maps are 16x16 with 3 channels and 8x8 with 4."""
    sizes = {"templates": 1, "layers": 2, "max_repeats": 4, "width": WIDTH} | options
    space = search_spaces.create("template", separable_repeats=separable_repeats, **sizes)
    decoder = space.build(
        space.parse(text), encoder_channels=channels, encoder_strides=(4, 8), num_classes=CLASSES
    )
    shapes = [(1, count, side, side) for count, side in zip(channels, (16, 8), strict=True)]
    found = count_of_maps(decoder, shapes)
    return found.parameters, found.macs


def head(channels, pixels):
    """Merging projection and 3x3 classifier with a bias."""
    parameters = channels * WIDTH + 2 * WIDTH + 9 * WIDTH * CLASSES + CLASSES
    return parameters, pixels * (channels * WIDTH + 9 * WIDTH * CLASSES)


def total(*parts):
    return tuple(sum(column) for column in zip(*parts, strict=True))


# Two layers that read the fine map; the second reads the first as well, so that it alone is
# collected. Sums have 2 weights per channel.
@pytest.mark.parametrize(
    ("operation", "parameters", "macs"),
    [
        (0, 9 * 3 + 3 * 3 + 6, FINE * (9 * 3 + 9)),
        (1, 25 * 3 + 3 * 3 + 6, FINE * (25 * 3 + 9)),
        (2, 3 * 3 + 6, 3 * 3),
        (3, 3 * 3 + 6, FINE * 9),
        # Taps 12 pixels away act on a 16 x 16 map, for 4 pixels.
        (4, 25 * 3 + 3 * 3 + 6, FINE * (25 * 3 + 9)),
        (5, 0, 0),
    ],
)
def test_an_operation(operation, parameters, macs):
    found = counts(f"[[[{operation},5,0]],[[0,0,0,0,0],[2,0,0,0,0]]]")
    both = (2 * parameters, 2 * macs)
    assert found == total(both, (2 * 6, 0), head(3, FINE))


@pytest.mark.parametrize(
    ("operation", "parameters", "macs"),
    [
        (0, 9 * 3 + 3 * 6 + 12, COARSE * (9 * 3 + 18)),
        (1, 25 * 3 + 3 * 6 + 12, COARSE * (25 * 3 + 18)),
        (3, 3 * 6 + 12, FINE * 18),
        (4, 25 * 3 + 3 * 6 + 12, COARSE * (25 * 3 + 18)),
    ],
)
def test_stride_2_halves_the_map_and_doubles_the_channels(operation, parameters, macs):
    """The other branch tiles the map to 6 channels; the coarser resolution is taken."""
    found = counts(f"[[[{operation},5,0],[5,5,0]],[[0,0,0,0,1],[2,2,1,0,0]]]", templates=2)
    first = (parameters + 2 * 6, macs)
    assert found == total(first, (2 * 6, 0), head(6, COARSE))


def test_global_average_pool_has_no_stride():
    found = counts("[[[2,5,0],[5,5,0]],[[0,0,0,0,1],[2,2,1,0,0]]]", templates=2)
    assert found == total((3 * 6 + 12 + 2 * 6, 18), (2 * 6, 0), head(6, FINE))


def test_a_separable_convolution_is_strided_in_each_of_its_repeats():
    found = counts(
        "[[[0,0,0],[5,5,0]],[[0,0,0,0,1],[2,2,1,0,0]]]", templates=2, separable_repeats=2
    )
    one = (27 + 18 + 12 + 54 + 36 + 12, COARSE * (27 + 18) + 16 * (54 + 36))
    assert found == total(one, one, (2 * 6 + 2 * 6, 0), head(6, 16))


def test_concatenation():
    """Batch norm on 2 x 3 channels, then 1x1 back to 3."""
    found = counts("[[[5,5,1]],[[0,0,0,0,0],[2,2,0,0,0]]]")
    one = (12 + 18, FINE * 18)
    assert found == total(one, one, head(3, FINE))


def test_the_first_half_aggregates_at_the_coarser_resolution():
    """The narrower map is projected from 3 to 4 channels before it is made smaller."""
    found = counts("[[[5,5,0]],[[0,1,0,0,0],[2,2,0,0,0]]]")
    projection = (3 * 4 + 8, FINE * 12)
    assert found == total(projection, (2 * 4, 0), (2 * 4, 0), head(4, COARSE))


def test_the_second_half_aggregates_at_the_finer_resolution():
    found = counts("[[[5,5,0]],[[1,1,0,0,0],[0,2,0,0,0]]]")
    projection = (3 * 4 + 8, FINE * 12)
    assert found == total(projection, (2 * 4, 0), (2 * 4, 0), head(4, FINE))


def test_repeats_read_the_last_two_maps():
    """sum(conv3(a), b), then sum(conv3(b), it): the second convolution has b's channels."""
    once = counts("[[[0,5,0],[5,5,0]],[[0,1,0,0,0],[2,2,1,0,0]]]", templates=2)
    twice = counts("[[[0,5,0],[5,5,0]],[[0,1,0,1,0],[2,2,1,0,0]]]", templates=2)
    thrice = counts("[[[0,5,0],[5,5,0]],[[0,1,0,2,0],[2,2,1,0,0]]]", templates=2)
    more = (9 * 4 + 16 + 8 + 2 * 4, COARSE * (36 + 16))
    assert twice == total(once, more)
    assert thrice == total(twice, more)


def test_taps_outside_a_map_are_not_counted():
    """At 8 x 8 a dilation of 6 leaves 3 x 3 of the 5 x 5 taps."""
    found = counts("[[[4,5,0]],[[1,1,0,0,0],[2,2,0,0,0]]]")
    one = (25 * 4 + 16 + 8 + 2 * 4, COARSE * (9 * 4 + 16))
    assert found == total(one, one, head(4, COARSE))


def test_outputs_that_no_layer_reads_are_merged_at_the_finest():
    found = counts("[[[5,5,0]],[[1,1,0,0,0],[0,0,0,0,0]]]")
    assert found == total((2 * 4 + 2 * 3, 0), head(3 + 4, FINE))


def test_templates_that_no_layer_applies_are_not_built():
    used = counts("[[[5,5,0]],[[1,1,0,0,0],[2,2,0,0,0]]]")
    unused = counts("[[[0,0,1],[5,5,0]],[[1,1,1,0,0],[2,2,1,0,0]]]", templates=2)
    assert used == unused


@pytest.mark.parametrize(
    ("genotype", "classes", "parameters"),
    [(ARCH0, 19, 280_147), (ARCH1, 19, 268_235)],
)
def test_released_networks(genotype, classes, parameters):
    """What the README of the paper's code says of them, the encoder included."""
    assert ENCODER == 56_576
    space = search_spaces.create("template", **search_spaces.presets("template")["released"])
    decoder = space.build(
        space.parse(genotype),
        encoder_channels=(24, 32),
        encoder_strides=space.encoder_strides,
        num_classes=classes,
    )
    assert ENCODER + sum(parameter.numel() for parameter in decoder.parameters()) == parameters
