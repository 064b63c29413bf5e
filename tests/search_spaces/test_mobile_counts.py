"""Parameters and multiply-accumulates of mobile networks, against counts by hand."""

from __future__ import annotations

import random

import pytest

import search_spaces
from latency import count
from nas.vision_libraries import timm

# One stage of one block on 6 x 10 images: stem to 8 channels, first block to 8, head to 16.
ONE_BLOCK = {
    "stem_width": 8,
    "first_width": 8,
    "widths": [16],
    "strides": [1, 1],
    "kernels": [3, 5],
    "expansions": [1, 3],
    "depths": [1, 2],
    "width_multipliers": [1.0],
    "head_width": 16,
}
PIXELS = 6 * 10
MNASNET_B1 = "[[3,3,3,24,0],[5,3,3,40,0],[5,6,3,80,0],[3,6,2,96,0],[5,6,4,192,0],[3,6,1,320,0]]"
MNASNET_A1 = "[[3,6,2,24,0],[5,3,3,40,1],[3,6,4,80,0],[3,6,2,112,1],[5,6,3,160,1],[3,6,1,320,0]]"
MOBILENET_V2 = "[[3,6,2,24,0],[3,6,3,32,0],[3,6,4,64,0],[3,6,3,96,0],[3,6,3,160,0],[3,6,1,320,0]]"


def counts(genotype, size=(6, 10), classes=5, in_channels=3, **options):
    space = search_spaces.create("mobile", **ONE_BLOCK | options)
    network = space.build(space.parse(genotype), num_classes=classes, in_channels=in_channels)
    found = count(network, (1, in_channels, *size))
    return found.parameters, found.macs


# What surrounds the stage: 3x3 stem, first block (3x3 depthwise, 1x1), head, classifier. Every
# convolution has a batch norm of two parameters per channel; the classifier has a bias.
AROUND = (
    (9 * 3 * 8 + 16) + (9 * 8 + 16) + (8 * 8 + 16) + (16 * 16 + 32) + (16 * 5 + 5),
    PIXELS * (9 * 3 * 8 + 9 * 8 + 8 * 8 + 16 * 16) + 16 * 5,
)


@pytest.mark.parametrize(
    ("genotype", "parameters", "macs"),
    [
        # No expansion: 3x3 depthwise on 8 channels, 1x1 from 8 to 16.
        ("[[3,1,1,16,0]]", 72 + 16 + 128 + 32, PIXELS * (72 + 128)),
        # 5x5 depthwise.
        ("[[5,1,1,16,0]]", 200 + 16 + 128 + 32, PIXELS * (200 + 128)),
        # Expansion to 24 channels: 1x1 from 8, depthwise on 24, 1x1 to 16.
        (
            "[[3,3,1,16,0]]",
            (192 + 48) + (216 + 48) + (384 + 32),
            PIXELS * (192 + 216 + 384),
        ),
        # Squeeze-and-excitation to 8 / 4 = 2 channels and back, with biases, on one pixel.
        (
            "[[3,3,1,16,1]]",
            (192 + 48) + (216 + 48) + (384 + 32) + (24 * 2 + 2) + (2 * 24 + 24),
            PIXELS * (192 + 216 + 384) + 24 * 2 + 2 * 24,
        ),
        # A second block, from 16 to 16 channels through 48; squeezed to 16 / 4 = 4.
        (
            "[[3,3,2,16,1]]",
            (192 + 48) + (216 + 48) + (384 + 32) + (24 * 2 + 2) + (2 * 24 + 24)
            + (768 + 96) + (432 + 96) + (768 + 32) + (48 * 4 + 4) + (4 * 48 + 48),
            PIXELS * (192 + 216 + 384) + 96 + PIXELS * (768 + 432 + 768) + 384,
        ),
    ],
)  # fmt: skip
def test_a_stage(genotype, parameters, macs):
    assert counts(genotype) == (AROUND[0] + parameters, AROUND[1] + macs)


def test_channels_of_the_image_and_classes():
    parameters, macs = counts("[[3,1,1,16,0]]", classes=7, in_channels=1)
    base = counts("[[3,1,1,16,0]]")
    assert parameters - base[0] == 2 * (16 + 1) - 9 * 2 * 8
    assert macs - base[1] == 2 * 16 - PIXELS * 9 * 2 * 8


def test_strides_halve_the_map_and_round_up():
    genotype, block = "[[3,3,1,16,0]]", 216 + 384
    # A 7 x 9 image: 4 x 5 behind the stem, 2 x 3 behind the stage.
    macs = counts(genotype, size=(7, 9), strides=[2, 2])[1]
    stem, stage = 4 * 5, 2 * 3
    before = stem * (9 * 3 * 8 + 9 * 8 + 8 * 8 + 192)
    assert macs == before + stage * (block + 16 * 16) + 16 * 5
    assert counts(genotype, size=(7, 9), strides=[2, 2])[0] == counts(genotype)[0]


@pytest.mark.parametrize(
    ("name", "genotype", "options"),
    [
        ("mnasnet_100", MNASNET_B1, {}),
        ("semnasnet_100", MNASNET_A1, {"widths": [24, 40, 80, 112, 160, 320]}),
        (
            "mobilenetv2_100",
            MOBILENET_V2,
            {"widths": [24, 32, 64, 96, 160, 320], "activation": "relu6"},
        ),
    ],
)
def test_published_networks(name, genotype, options):
    imagenet = search_spaces.presets("mobile")["imagenet"]
    ours = counts(genotype, size=(224, 224), classes=1000, **imagenet | options)
    theirs = count(timm.create_model(name), (1, 3, 224, 224))
    assert ours == (theirs.parameters, theirs.macs)
    published = {
        "mnasnet_100": 4_383_312,
        "semnasnet_100": 3_887_038,
        "mobilenetv2_100": 3_504_872,
    }
    assert ours[0] == published[name]


def by_formula(options, stages, size, classes):
    """Parameters and MACs of a whole network, written down again."""
    strides = options["strides"]
    side = -(-size // strides[0])
    stem, first, head = options["stem_width"], options["first_width"], options["head_width"]
    parameters = 27 * stem + 2 * stem + 9 * stem + 2 * stem + stem * first + 2 * first
    macs = side**2 * (27 * stem + 9 * stem + stem * first)
    inputs = first
    for (kernel, expansion, depth, width, squeeze), stride in zip(stages, strides[1:], strict=True):
        for block in range(depth):
            expanded = inputs * expansion
            if expansion > 1:
                parameters += inputs * expanded + 2 * expanded
                macs += side**2 * inputs * expanded
            side = -(-side // (stride if block == 0 else 1))
            parameters += kernel**2 * expanded + 2 * expanded + expanded * width + 2 * width
            macs += side**2 * (kernel**2 * expanded + expanded * width)
            if squeeze:
                squeezed = inputs // 4
                parameters += 2 * expanded * squeezed + squeezed + expanded
                macs += 2 * expanded * squeezed
            inputs = width
    parameters += inputs * head + 2 * head + head * classes + classes
    return parameters, macs + side**2 * inputs * head + head * classes


@pytest.mark.parametrize(
    ("preset", "size"), [("imagenet", 224), ("small_images", 32), ("tiny", 28)]
)
def test_random_networks(preset, size):
    options = search_spaces.presets("mobile")[preset]
    space = search_spaces.create("mobile", **options)
    rng = random.Random(1)
    for _ in range(2):
        genotype = space.sample(rng)
        found = count(space.build(genotype, num_classes=10), (1, 3, size, size))
        expected = by_formula(options, genotype.value, size, 10)
        assert (found.parameters, found.macs) == expected
