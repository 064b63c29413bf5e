"""The parameter counts that FastNAS and its users published."""

from __future__ import annotations

import pytest

import search_spaces

ENCODER = 1_812_800
CHANNELS = (24, 32, 96, 320)
ARCH0 = "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]"
ARCH1 = "[[2,[1,0,3,6],[0,1,2,8],[2,0,6,1]],[[2,3],[3,1],[4,4]]]"
ARCH2 = "[[5,[0,0,4,1],[3,2,0,1],[5,6,5,0]],[[1,3],[4,3],[2,2]]]"
FACE0 = "[[8,[1,1,1,10],[4,3,1,3]],[[0,1],[2,0]]]"
FACE1 = "[[3,[0,0,10,3],[3,3,10,9],[2,4,2,3]],[[2,3],[0,2],[2,3]]]"
FACE2 = "[[5,[1,0,3,5],[1,0,10,10],[6,6,0,10]],[[1,0],[4,2],[3,2]]]"


def published(genotype, num_classes, **options):
    space = search_spaces.create("fastnas", **options)
    return space.published_parameters(
        space.parse(genotype), encoder_channels=CHANNELS, num_classes=num_classes
    )


@pytest.mark.parametrize(
    ("genotype", "without", "with_classifiers"),
    [(ARCH0, 2.630, 2.666), (ARCH1, 2.810, 2.846), (ARCH2, 2.853, 2.889)],
)
def test_released_models_in_millions(genotype, without, with_classifiers):
    released = {**search_spaces.presets("fastnas")["released"]}
    plain = ENCODER + published(genotype, 21, **released | {"auxiliary": "none"})
    heads = ENCODER + published(genotype, 21, **released | {"auxiliary": "classifier"})
    assert round(plain / 1e6, 3) == without
    assert round(heads / 1e6, 3) == with_classifiers


@pytest.mark.parametrize(
    ("genotype", "total", "without"),
    [
        (ARCH0, 600_084, 399_717),
        (ARCH1, 756_756, 503_397),
        (ARCH2, 893_268, 594_405),
    ],
)
def test_search_time_decoders(genotype, total, without):
    assert published(genotype, 21, auxiliary="cell") == total
    assert published(genotype, 21, auxiliary="none") == without


@pytest.mark.parametrize(
    ("genotype", "branches", "cells", "total", "without"),
    [
        (FACE0, 3, 2, 2_151_122, 2_048_198),
        (FACE1, 4, 3, 1_990_328, 1_941_638),
        (FACE2, 4, 3, 2_294_312, 2_143_526),
    ],
)
def test_decoders_of_six_classes_with_the_encoder(genotype, branches, cells, total, without):
    sizes = {"branches": branches, "cells": cells}
    assert ENCODER + published(genotype, 6, auxiliary="cell", **sizes) == total
    assert ENCODER + published(genotype, 6, auxiliary="none", **sizes) == without


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        (0, 48**2 + 96),
        (1, 9 * 48**2 + 96),
        (2, 2 * (9 * 48 + 48**2 + 96)),
        (3, 2 * (25 * 48 + 48**2 + 96)),
        (4, 48**2 + 96),
        (5, 9 * 48**2 + 96),
        (6, 9 * 48**2 + 96),
        (7, 2 * (9 * 48 + 48**2 + 96)),
        (8, 2 * (25 * 48 + 48**2 + 96)),
        (9, 0),
        (10, 0),
    ],
)
def test_one_operation(operation, parameters):
    sizes = {"branches": 1, "cells": 1, "repeats": 2, "auxiliary": "none"}
    without = published("[[10],[[0,1]]]", 2, **sizes)
    assert published(f"[[{operation}],[[0,1]]]", 2, **sizes) == without + 2 * parameters


@pytest.mark.parametrize("auxiliary", ["cell", "classifier", "none"])
@pytest.mark.parametrize("genotype", [ARCH0, ARCH1, ARCH2])
def test_built_decoder_lacks_the_unread_adapters_alone(genotype, auxiliary):
    space = search_spaces.create("fastnas", auxiliary=auxiliary)
    parsed = space.parse(genotype)
    decoder = space.build(
        parsed, encoder_channels=CHANNELS, encoder_strides=(4, 8, 16, 32), num_classes=21
    )
    built = sum(parameter.numel() for parameter in decoder.parameters())
    read = {position for pair in parsed.value[1] for position in pair}
    unread = sum(48 * CHANNELS[index] + 96 for index in range(4) if index not in read)
    assert built + unread == published(genotype, 21, auxiliary=auxiliary)
