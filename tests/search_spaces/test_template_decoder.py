from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import search_spaces
from latency import check_onnx, export_onnx
from search_spaces import SpaceError
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.template.aggregation import Concatenation, WeightedSum
from search_spaces.template.operations import StridedConv2d, create_operation
from search_spaces.template.plan import OperationStep
from search_spaces.template.vocabulary import OPERATIONS

CHANNELS, STRIDES, CLASSES = (3, 4), (4, 8), 7
ARCH0 = (
    "[[[3,0,1],[4,1,1],[3,1,1]],[[0,1,0,0,1],[2,1,2,1,0],[3,1,1,1,0],[1,1,2,0,0],"
    "[3,0,2,0,0],[5,3,2,1,0],[0,5,0,1,0]]]"
)
# Every operation, both aggregations, strides and repeats.
MIXED = (
    "[[[2,5,0],[4,1,1],[3,0,0]],[[0,1,0,1,1],[2,1,2,2,1],[3,1,1,1,1],[1,1,2,0,0],"
    "[3,0,2,0,0],[5,3,0,1,0],[0,4,1,0,0]]]"
)
POOLED = "[[[2,2,1],[2,2,0],[2,2,0]],[[0,1,0,1,1],[2,0,1,0,0],[3,1,2,0,0],[4,4,0,0,0]," + (
    "[5,1,1,0,0],[6,6,1,0,0],[7,7,1,0,0]]]"
)


def build(text=ARCH0, num_classes=CLASSES, **options):
    space = search_spaces.create("template", **{"width": 8} | options)
    return space.build(
        space.parse(text),
        encoder_channels=CHANNELS,
        encoder_strides=STRIDES,
        num_classes=num_classes,
    )


def features(images=2, height=64, width=64):
    return [
        torch.randn(images, c, -(-height // s), -(-width // s))
        for c, s in zip(CHANNELS, STRIDES, strict=True)
    ]


@pytest.mark.parametrize("size", [(64, 64), (33, 50), (8, 8), (1, 1), (128, 32)])
@pytest.mark.parametrize("text", [ARCH0, MIXED, POOLED])
def test_logits_have_the_finest_stride_that_is_collected(text, size):
    decoder = build(text)
    height, width = (-(-side // decoder.stride) for side in size)
    assert decoder(features(2, *size)).shape == (2, CLASSES, height, width)


@pytest.mark.parametrize(
    ("layers", "stride"),
    [
        # The second half aggregates at the finer resolution.
        ([[0, 1, 0, 0, 0], [2, 0, 0, 0, 0]], 4),
        ([[0, 1, 0, 0, 0], [2, 1, 0, 0, 0]], 8),
        # A strided layer halves both maps; the coarser is taken.
        ([[0, 1, 0, 0, 1], [2, 2, 0, 0, 0]], 16),
        ([[0, 0, 0, 2, 1], [2, 2, 0, 0, 0]], 32),
        # The finest of what is collected.
        ([[0, 1, 0, 0, 1], [0, 0, 0, 0, 0]], 4),
    ],
)
def test_stride_of_the_logits(layers, stride):
    decoder = build(str([[[3, 3, 0]], layers]), templates=1, layers=2)
    assert decoder.stride == stride
    assert decoder(features()).shape[-2:] == (64 // stride, 64 // stride)


def test_repeats_take_the_last_two_maps():
    """Maxima of 1x1 convolutions that are the identity: what is added is known."""
    decoder = build("[[[5,5,0]],[[0,0,0,3,0]]]", templates=1, layers=1).eval()
    held = []
    decoder.merge.register_forward_hook(lambda module, inputs, output: held.append(inputs[0]))
    inputs = features()
    decoder(inputs)
    # x, x, then 2x, 3x, 5x and 8x.
    torch.testing.assert_close(held[0].values, F.relu(5 * inputs[0] + 3 * inputs[0]))


def test_sum_weighs_channels():
    module = WeightedSum((2, 2))
    left, right = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3)
    with torch.no_grad():
        module.weights[0].copy_(torch.tensor([2.0, 3.0]))
        module.weights[1].copy_(torch.tensor([-1.0, 0.5]))
    found = module((FeatureMap.of(left), FeatureMap.of(right)), (3, 3)).values
    expected = torch.stack(
        [2 * left[:, 0] - right[:, 0], 3 * left[:, 1] + 0.5 * right[:, 1]], dim=1
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("module", [WeightedSum, Concatenation])
@pytest.mark.parametrize("size", [(4, 6), (8, 12)])
def test_a_constant_map_counts_as_the_pixels_that_it_stands_for(module, size):
    torch.manual_seed(0)
    aggregation = module((3, 3)).train()
    values, pixel = torch.randn(2, 3, 4, 6), torch.randn(2, 3, 1, 1)
    spread = pixel.expand(-1, -1, 8, 12)
    small = aggregation((FeatureMap(pixel, (8, 12)), FeatureMap.of(values)), size)
    whole = aggregation((FeatureMap.of(spread), FeatureMap.of(values)), size)
    torch.testing.assert_close(small.spread, whole.spread, rtol=1e-4, atol=1e-5)


def test_aggregates_of_constant_maps_stay_single_pixels():
    pixels = [FeatureMap(torch.randn(2, 3, 1, 1), (8, 8)) for _ in range(2)]
    for module in (WeightedSum((3, 3)), Concatenation((3, 3))):
        found = module((pixels[0], pixels[1]), (4, 4))
        assert found.is_constant
        assert found.size == (4, 4)


@pytest.mark.parametrize(
    ("kernel", "dilation", "height", "width"),
    [(3, 1, 8, 9), (5, 6, 8, 7), (5, 6, 30, 13), (3, 1, 1, 1), (5, 1, 2, 3)],
)
def test_strided_convolution_equals_the_whole_one(kernel, dilation, height, width):
    conv = StridedConv2d(4, kernel, dilation).double()
    inputs = torch.randn(2, 4, height, width, dtype=torch.float64, requires_grad=True)
    padding = dilation * (kernel // 2)
    expected = F.conv2d(inputs, conv.weight, None, 2, padding, dilation, groups=4)
    weights = torch.randn_like(expected)
    reference = torch.autograd.grad((expected * weights).sum(), (inputs, conv.weight))
    output = conv(inputs)
    gradients = torch.autograd.grad((output * weights).sum(), (inputs, conv.weight))
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(gradients, reference)
    assert output.shape[-2:] == (-(-height // 2), -(-width // 2))


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("number", range(5))
def test_operations_take_a_constant_map_for_its_pixels(number, strided):
    torch.manual_seed(0)
    module = create_operation(OperationStep("op", OPERATIONS[number], 0, strided, True), 3, 6, 2)
    pixel = torch.randn(2, 3, 1, 1)
    found = module(FeatureMap(pixel, (6, 9)))
    expected = module(FeatureMap.of(pixel.expand(-1, -1, 6, 9)))
    assert found.size == expected.size
    torch.testing.assert_close(found.spread, expected.spread)


def test_a_doubling_skip_stacks_the_map_twice():
    module = create_operation(OperationStep("op", OPERATIONS[5], 0, False, True), 3, 6, 1)
    values = torch.randn(2, 3, 4, 4)
    assert torch.equal(module(FeatureMap.of(values)).values, values.repeat(1, 2, 1, 1))


@pytest.mark.parametrize("separable_repeats", [1, 2])
def test_every_parameter_gets_a_gradient(separable_repeats):
    torch.manual_seed(0)
    decoder = build(MIXED, separable_repeats=separable_repeats)
    decoder(features(4, 256, 256)).square().mean().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool(parameter.grad.abs().sum() > 0), name


def test_random_genotypes_train():
    rng, space = random.Random(0), search_spaces.create("template", width=8)
    for _ in range(4):
        decoder = space.build(
            space.sample(rng), encoder_channels=CHANNELS, encoder_strides=STRIDES, num_classes=2
        )
        decoder(features(2, 32, 32)).square().mean().backward()
        used = [parameter.grad for parameter in decoder.parameters()]
        assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in used)


def test_single_pixel_cannot_be_normalised_in_training():
    decoder = build(POOLED)
    with pytest.raises(ValueError, match="batches of at least 2 images"):
        decoder(features(images=1))
    assert decoder.eval()(features(images=1)).shape[0] == 1


def test_channels_last_gives_the_same_logits():
    torch.manual_seed(0)
    decoder, inputs = build(MIXED).eval(), features()
    expected = decoder(inputs)
    decoder = decoder.to(memory_format=torch.channels_last)
    found = decoder([x.contiguous(memory_format=torch.channels_last) for x in inputs])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_global_seed_decides_the_weights():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build().state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["classifier.weight"], states[2]["classifier.weight"])


def test_initial_weights():
    torch.manual_seed(0)
    decoder = build(MIXED, width=64)
    assert decoder.classifier.weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.05)
    for name, parameter in decoder.named_parameters():
        if name.endswith("bias"):
            assert bool((parameter == 0).all()), name
        if ".weights." in name:
            assert bool((parameter == 1).all()), name


def test_the_classifier_alone_has_a_bias():
    biased = {
        name
        for name, part in build(MIXED).named_modules()
        if isinstance(part, nn.Conv2d) and part.bias is not None
    }
    assert biased == {"classifier"}


def test_wrong_number_of_features_is_refused():
    with pytest.raises(ValueError, match="needs 2 encoder outputs, not 1"):
        build()(features()[:1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"encoder_channels": (3,)}, "encoder_channels needs 2 numbers"),
        ({"encoder_channels": (3, 0)}, "every number of encoder_channels must be"),
        (
            {"encoder_strides": (4, 8, 16, 32)},
            "encoder_strides must be 4, 8 with encoder_outputs=2, not 4, 8, 16, 32",
        ),
        ({"num_classes": 0}, "num_classes must be"),
    ],
)
def test_wrong_build_arguments_are_refused(wrong, message):
    space = search_spaces.create("template")
    right = {"encoder_channels": CHANNELS, "encoder_strides": STRIDES, "num_classes": 2}
    with pytest.raises(SpaceError, match=message):
        space.build(space.parse(ARCH0), **right | wrong)


class Segmenter(nn.Module):
    """Two strided convolutions as the encoder, a decoder, logits at the size of the image."""

    def __init__(self, decoder):
        super().__init__()
        self.fine = nn.Conv2d(3, CHANNELS[0], 4, stride=4)
        self.coarse = nn.Conv2d(3, CHANNELS[1], 8, stride=8)
        self.decoder = decoder

    def forward(self, images):
        logits = self.decoder([self.fine(images), self.coarse(images)])
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


@pytest.mark.parametrize("text", [MIXED, POOLED])
def test_onnx_file_gives_the_same_logits(tmp_path, text):
    torch.manual_seed(3)
    network = Segmenter(build(text))
    with torch.no_grad():
        network(torch.randn(8, 3, 32, 32))  # batch norm with statistics that are not 0 and 1
    path = export_onnx(network, (1, 3, 32, 32), tmp_path / "network.onnx")
    assert check_onnx(network, path, (1, 3, 32, 32), tolerance=1e-3) < 1e-3
