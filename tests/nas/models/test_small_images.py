from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.models import small_images

PAIRS = [
    ("resnet32x4", "resnet8x4"),
    ("resnet56", "resnet20"),
    ("resnet14", "resnet8"),
    ("wrn_40_2", "wrn_16_2"),
    ("vgg13", "vgg8"),
    ("convnet_wide", "convnet_small"),
]


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def conv(inputs, outputs, kernel=3):
    return inputs * outputs * kernel**2


def linear(channels, classes):
    return (channels + 1) * classes


def residual_network(blocks, stem, widths, classes):
    """Option B: two convolutions with batch norm a block, a third where the shape changes."""
    total = conv(3, stem) + 2 * stem
    before = stem
    for number, width in enumerate(widths):
        for block in range(blocks):
            inputs = width if block else before
            total += conv(inputs, width) + conv(width, width) + 4 * width
            if inputs != width or (block == 0 and number > 0):
                total += conv(inputs, width, 1) + 2 * width
        before = width
    return total + linear(before, classes)


def wide_network(blocks, widening, classes):
    """Batch norm before each convolution and once at the end; shortcuts have none."""
    total, before = conv(3, 16), 16
    for width in (16 * widening, 32 * widening, 64 * widening):
        for block in range(blocks):
            inputs = width if block else before
            total += 2 * inputs + conv(inputs, width) + 2 * width + conv(width, width)
            total += conv(inputs, width, 1) if inputs != width else 0
        before = width
    return total + 2 * before + linear(before, classes)


def plain_network(depth, widths, classes, bias):
    total, before = 0, 3
    for width in widths:
        for _ in range(depth):
            total += conv(before, width) + (3 if bias else 2) * width
            before = width
    return total + linear(before, classes)


VGG = (64, 128, 256, 512, 512)
FORMULAS = {
    "resnet8": lambda classes: residual_network(1, 16, (16, 32, 64), classes),
    "resnet8x4": lambda classes: residual_network(1, 32, (64, 128, 256), classes),
    "resnet14": lambda classes: residual_network(2, 16, (16, 32, 64), classes),
    "resnet20": lambda classes: residual_network(3, 16, (16, 32, 64), classes),
    "resnet32x4": lambda classes: residual_network(5, 32, (64, 128, 256), classes),
    "resnet56": lambda classes: residual_network(9, 16, (16, 32, 64), classes),
    "wrn_16_2": lambda classes: wide_network(2, 2, classes),
    "wrn_40_2": lambda classes: wide_network(6, 2, classes),
    "vgg8": lambda classes: plain_network(1, VGG, classes, bias=True),
    "vgg13": lambda classes: plain_network(2, VGG, classes, bias=True),
    "convnet_small": lambda classes: plain_network(5, (16, 32, 80), classes, bias=False),
    "convnet_wide": lambda classes: plain_network(3, (64, 120, 200), classes, bias=False),
}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet8x4", 1_233_540),
        ("resnet20", 278_324),
        ("resnet32x4", 7_433_860),
        ("resnet56", 861_620),
        ("wrn_16_2", 703_284),
        ("wrn_40_2", 2_255_156),
        ("vgg8", 3_965_028),
        ("vgg13", 9_462_180),
    ],
)
def test_networks_for_100_classes_have_their_published_sizes(name, parameters):
    assert count(small_images.create(name, 100)) == parameters


def test_the_plain_pair_has_the_sizes_of_the_experiments_with_hints():
    assert count(small_images.create("convnet_small", 10)) == pytest.approx(306_000, rel=0.005)
    assert count(small_images.create("convnet_wide", 10)) == pytest.approx(1_350_000, rel=0.005)


def test_every_network_has_a_formula():
    assert set(FORMULAS) == set(small_images.names())


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("classes", [2, 10])
def test_parameters_follow_the_formula_of_the_family(name, classes):
    assert count(small_images.create(name, classes)) == FORMULAS[name](classes)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("side", [8, 28, 64])
def test_logits_of_small_images(name, side):
    network = small_images.create(name, 7).eval()
    logits = network(torch.randn(2, 3, side, side))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()
    assert not torch.equal(logits[0], logits[1])


def sides(network, side):
    """Height and width after each stage."""
    found = {}
    hooks = [
        module.register_forward_hook(
            lambda _, __, output, name=name: found.update({name: tuple(output.shape[-2:])})
        )
        for name, module in network.named_children()
        if name.startswith("stage")
    ]
    network.eval()(torch.randn(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize(("teacher", "student"), PAIRS)
@pytest.mark.parametrize("side", [28, 32])
def test_stages_of_a_pair_have_equal_sizes(teacher, student, side):
    of_teacher, of_student = (sides(small_images.create(n, 10), side) for n in (teacher, student))
    assert of_teacher == of_student
    halves = [side, side // 2, side // 4]
    if teacher.startswith("vgg"):
        halves += [side // 8] * 2
    assert of_student == {f"stage{n}": (s, s) for n, s in enumerate(halves, start=1)}


def test_a_stage_of_a_residual_network_is_never_negative_and_that_of_a_wide_one_is_a_sum():
    images = torch.randn(2, 3, 16, 16)
    residual = small_images.create("resnet8x4", 10).eval()
    assert residual.stage1(residual.stem(images)).min() >= 0
    wide = small_images.create("wrn_16_2", 10).eval()
    assert wide.stage1(wide.stem(images)).min() < 0


def test_a_block_adds_its_input():
    block = small_images.create("resnet20", 10).stage1[1].eval()
    for parameter in block.residual.parameters():
        torch.nn.init.zeros_(parameter)
    maps = torch.rand(1, 16, 8, 8)
    assert torch.equal(block(maps), maps)


def test_a_wide_block_projects_what_is_activated():
    block = small_images.create("wrn_16_2", 10).stage2[0].eval()
    torch.nn.init.zeros_(block.residual[-1].weight)
    maps = torch.randn(1, 32, 8, 8)
    expected = block.projection(torch.relu(block.activation[0](maps)))
    assert torch.equal(block(maps), expected)
    assert block.projection.stride == (2, 2)


@pytest.mark.parametrize("name", FORMULAS)
def test_no_output_is_overwritten_after_it_was_tapped(name):
    network = small_images.create(name, 10).eval()
    tapped = []
    for module in network.modules():
        if not any(True for _ in module.children()):
            module.register_forward_hook(lambda _, __, output: tapped.append((output, output + 0)))
    network(torch.randn(1, 3, 8, 8))
    assert len(tapped) > 10
    assert all(torch.equal(output, copy) for output, copy in tapped)


def test_every_parameter_learns():
    for name in ("resnet8x4", "wrn_16_2", "vgg8", "convnet_small"):
        network = small_images.create(name, 3)
        logits = network(torch.randn(4, 3, 16, 16))
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_two_networks_of_one_name_start_apart():
    first, second = (small_images.create("resnet20", 10) for _ in range(2))
    assert not torch.equal(first.stem[0].weight, second.stem[0].weight)


def test_the_spelling_of_papers_is_known():
    assert small_images.canonical_name("WRN-16-2") == "wrn_16_2"
    assert count(small_images.create("wrn-16-2", 100)) == 703_284
    assert small_images.canonical_name("resnet18") is None


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"is called 'resnet9'; known: resnet8, .*resnet20, .*wide"):
        small_images.create("resnet9", 10)
