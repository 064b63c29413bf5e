"""Feature pyramids whose levels are searched."""

from __future__ import annotations

import random

import pytest
import torch

import search_spaces
from latency import check_onnx, export_onnx
from nas.models.segmentation import PlainDecoder
from search_spaces import GenotypeError, SpaceError

CHANNELS, STRIDES, CLASSES = (3, 4, 5), (4, 8, 16), 7
# further, finest, head, then what is added at the strides 4, 8, 16, 32 and 64.
NOTHING = ["none"] * 5


@pytest.fixture
def space():
    return search_spaces.create("pyramid", width=8, encoder_outputs=3)


def build(space, choices, num_classes=CLASSES):
    return space.build(
        space.parse(choices),
        encoder_channels=CHANNELS,
        encoder_strides=STRIDES,
        num_classes=num_classes,
    )


def maps(images=2, height=64, width=64):
    return [
        torch.randn(images, c, -(-height // s), -(-width // s))
        for c, s in zip(CHANNELS, STRIDES, strict=True)
    ]


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_candidate_can_be_read_built_and_learns_in_all_its_weights(space):
    rng = random.Random(0)
    for _ in range(60):
        genotype = space.sample(rng)
        assert space.parse(str(genotype)) == genotype
        assert space.genotype(space.choices(genotype)) == genotype
        decoder = build(space, genotype.value)
        logits = decoder(maps())
        assert logits.shape == (2, CLASSES, 64 // decoder.stride, 64 // decoder.stride)
        # A sum alone has no gradient before a batch norm.
        (logits * torch.randn_like(logits)).sum().backward()
        assert all(parameter.grad is not None for parameter in decoder.parameters())
        assert space.graph(genotype).nodes[-1] == "logits"


@pytest.mark.parametrize("size", [(64, 64), (33, 50), (20, 200)])
def test_logits_have_the_size_of_the_finest_level(space, size):
    for finest in (4, 8):
        decoder = build(space, [2, finest, "sep_conv5x5", *["sep_conv3x3"] * 5])
        height, width = (-(-side // finest) for side in size)
        assert decoder.stride == finest
        assert decoder(maps(2, *size)).shape == (2, CLASSES, height, width)


def test_a_dense_head_and_nothing_else_is_the_plain_decoder_of_teachers(space):
    ours = build(space, [0, 4, "conv3x3", *NOTHING]).eval()
    plain = PlainDecoder(CHANNELS, CLASSES, 8).eval()
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    given = maps()
    torch.testing.assert_close(ours(given), plain(given))


def test_parameters_follow_from_the_choices(space):
    # Laterals of 3, 4 and 5 channels, a batch norm, and the classifier with its biases.
    bare = 8 * (3 + 4 + 5) + 2 * 8 + (9 * 8 + 1) * CLASSES
    norms = 2 * 2 * 8
    separable3, separable5 = 9 * 8 + 8 * 8 + norms, 25 * 8 + 8 * 8 + norms
    expected = {
        (0, 4, "none", *NOTHING): bare,
        (1, 4, "none", *NOTHING): bare + separable3,
        (2, 4, "none", *NOTHING): bare + 2 * separable3,
        # Logits at stride 8 need nothing of the first map.
        (0, 8, "none", *NOTHING): bare - 8 * 3,
        # The head has no batch norm of its own before it.
        (0, 4, "sep_conv5x5", *NOTHING): bare + separable5 - 2 * 8,
        (0, 4, "none", "none", "none", "sep_conv5x5", "none", "none"): bare + separable5,
        (0, 4, "none", "conv3x3", "none", "none", "none", "none"): bare + 9 * 64 + norms,
        # A mean has biases, and one batch norm.
        (0, 4, "none", "none", "global_average_pool", "none", "none", "none"): bare + 64 + 8 + 16,
        # A level that does not exist is not built.
        (0, 4, "none", "none", "none", "none", "conv3x3", "conv3x3"): bare,
        (1, 4, "none", "none", "none", "none", "conv3x3", "conv3x3"): bare
        + separable3
        + 9 * 64
        + norms,
    }
    assert {choices: parameters(build(space, choices)) for choices in expected} == expected


def test_the_mean_adds_the_same_to_all_pixels(space):
    decoder = build(
        space, [0, 4, "none", "none", "none", "global_average_pool", "none", "none"]
    ).eval()
    coarsest = torch.randn(2, 8, 4, 4)
    added = decoder.levels[-1](coarsest) - coarsest
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added))
    assert added.std(dim=1).min() > 0


def test_a_further_level_sees_the_whole_of_a_large_image(space):
    reach = []
    for further in (0, 2):
        decoder = build(space, [further, 8, "none", *NOTHING]).eval()
        given = maps(1, 256, 256)
        given[-1].requires_grad_()
        decoder(given)[0, :, 16, 16].sum().backward()
        reach.append(int((given[-1].grad[0].abs().sum(0) > 0).any(0).sum()))
    assert reach[0] <= 4 < 12 <= reach[1]


def test_choices_about_levels_that_do_not_exist_make_no_difference(space):
    def key(*choices):
        return space.canonical_key(space.parse(choices))

    two, other = ["none", "none", "none", "conv3x3", "conv3x3"], NOTHING
    assert key(0, 4, "none", *two) == key(0, 4, "none", *other)
    assert key(1, 4, "none", *two) != key(1, 4, "none", *other)
    fine = ["conv3x3", "none", "none", "none", "none"]
    assert key(0, 8, "none", *fine) == key(0, 8, "none", *other)
    assert key(0, 4, "none", *fine) != key(0, 4, "none", *other)
    assert key(0, 4, "none", *other) != key(0, 8, "none", *other)
    assert key(0, 4, "none", *other) != key(0, 4, "conv3x3", *other)


def test_equal_keys_build_equal_networks_and_different_keys_different_ones(space):
    built = {}
    rng = random.Random(1)
    for _ in range(200):
        genotype = space.sample(rng)
        shape = [(n, tuple(p.shape)) for n, p in build(space, genotype.value).named_parameters()]
        strided = build(space, genotype.value).stride
        known = built.setdefault(space.canonical_key(genotype), (shape, strided))
        assert known == (shape, strided)
    # Kernels, levels and their operations all show in names and shapes of weights.
    assert len({str(one) for one in built.values()}) == len(built)


def test_operations_keep_their_stride_behind_fewer_maps(space):
    genotype = space.parse([1, 4, "none", "none", "conv3x3", "sep_conv3x3", "sep_conv5x5", "none"])
    fewer, resized = space.resized(genotype, width=6, encoder_outputs=2)
    assert resized.value == (1, 4, "none", "none", "conv3x3", "sep_conv3x3", "sep_conv5x5")
    assert fewer.options == {"width": 6, "further": 2, "encoder_outputs": 2}
    assert fewer.encoder_strides == (4, 8)
    decoder = fewer.build(
        resized, encoder_channels=(3, 4), encoder_strides=(4, 8), num_classes=CLASSES
    )
    # The level at stride 16 is now a further one, and still has its separable convolution.
    assert len(decoder.further) == 1
    assert parameters(decoder.levels[-1]) == 9 * 6 + 36 + 4 * 6


def test_a_single_map_is_the_finest_whatever_is_chosen():
    space = search_spaces.create("pyramid", width=8, further=1, encoder_outputs=1)
    for further in (0, 1):
        decoder = space.build(
            space.parse([further, 8, "none", "conv3x3", "none"]),
            encoder_channels=(3,),
            encoder_strides=(4,),
            num_classes=2,
        )
        assert decoder.stride == 4
        assert decoder([torch.randn(2, 3, 16, 16)]).shape == (2, 2, 16, 16)


def test_onnx_gives_the_same_logits(space, tmp_path):
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.maps = torch.nn.ModuleList(
                torch.nn.Conv2d(3, c, s, s) for c, s in zip(CHANNELS, STRIDES, strict=True)
            )
            self.decoder = build(
                space,
                [
                    1,
                    4,
                    "conv3x3",
                    "sep_conv3x3",
                    "global_average_pool",
                    "sep_conv5x5",
                    "conv3x3",
                    "none",
                ],
            )

        def forward(self, images):
            return self.decoder([one(images) for one in self.maps])

    network = Whole().eval()
    path = export_onnx(network, (1, 3, 64, 96), tmp_path / "network.onnx")
    assert check_onnx(network, path, (1, 3, 64, 96)) < 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be a whole number of at least 1, not 0"),
        ({"further": -1}, "further must be a whole number of at least 0, not -1"),
        ({"further": True}, "further must be a whole number of at least 0, not True"),
        ({"encoder_outputs": 5}, "at most 4, for strides 4, 8, 16, 32, not 5"),
        ({"levels": 5}, "no option 'levels'"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(SpaceError, match=message):
        search_spaces.create("pyramid", **options)


def test_a_wrong_genotype_or_encoder_is_refused(space):
    with pytest.raises(GenotypeError, match="a list of 8 options"):
        space.parse([0, 4, "none"])
    with pytest.raises(GenotypeError, match="'stride8' has no option 'conv7x7'"):
        space.parse([0, 4, "none", "none", "conv7x7", "none", "none", "none"])
    genotype = space.parse([0, 4, "none", *NOTHING])
    for wrong, message in (
        (
            {"encoder_strides": (4, 8)},
            "encoder_strides must be 4, 8, 16 with encoder_outputs=3, not 4, 8",
        ),
        ({"encoder_channels": (3, 4)}, "encoder_channels needs 3 numbers"),
        ({"num_classes": 0}, "num_classes must be a whole number of at least 1"),
    ):
        given = {
            "encoder_channels": CHANNELS,
            "encoder_strides": STRIDES,
            "num_classes": CLASSES,
        } | wrong
        with pytest.raises(SpaceError, match=message):
            space.build(genotype, **given)


def test_the_drawing_shows_where_levels_start_and_what_they_add(space):
    pooled = [1, 8, "conv3x3", "none", "none", "global_average_pool", "sep_conv3x3", "none"]
    graph = space.graph(space.parse(pooled))
    assert graph.nodes == (
        *("encoder[2]", "encoder[1]", "further[32]"),
        *("stride32", "stride16", "stride8", "head", "logits"),
    )
    assert [(edge.source, edge.target, edge.label) for edge in graph.edges] == [
        ("encoder[2]", "further[32]", "stride 2"),
        ("further[32]", "stride32", ""),
        ("encoder[2]", "stride16", ""),
        ("encoder[1]", "stride8", ""),
        ("stride32", "stride16", "+ sep_conv3x3"),
        ("stride16", "stride8", "+ global_average_pool"),
        ("stride8", "head", ""),
        ("head", "logits", "conv3x3"),
    ]
