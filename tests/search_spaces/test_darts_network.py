from __future__ import annotations

import random

import pytest
import torch
from torch.nn import functional as F

import latency
import search_spaces
from nas.distillation.places import survey

SMALL = {"channels": 2, "layers": 4, "nodes": 2, "stem_multiplier": 2}
FULL = (
    '[[["sep_conv_5x5",0],["dil_conv_3x3",1],["skip_connect",1],["avg_pool_3x3",2]],'
    '[["skip_connect",0],["dil_conv_5x5",1],["max_pool_3x3",1],["sep_conv_3x3",2]]]'
)
PAIR = '["none",0],["none",1]'
ZERO = f"[[{PAIR},{PAIR}],[{PAIR},{PAIR}]]"
# Both cells read their older input alone.
OLDER = (
    '[[["sep_conv_3x3",0],["none",1],["skip_connect",0],["dil_conv_3x3",2]],'
    '[["sep_conv_3x3",0],["none",1],["none",0],["skip_connect",2]]]'
)


def build(text=FULL, classes=3, channels=3, **options):
    space = search_spaces.create("darts", **{**SMALL, **options})
    return space.build(space.parse(text), num_classes=classes, in_channels=channels)


@pytest.mark.parametrize("text", [FULL, OLDER, ZERO])
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (64, 64), (33, 27), (9, 1)])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_logits_of_images_of_any_size(text, size, stem):
    logits = build(text, stem=stem)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 3)
    assert bool(logits.isfinite().all())


def test_images_may_have_other_channels():
    assert build(channels=1)(torch.randn(2, 1, 28, 28)).shape == (2, 3)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_every_parameter_learns(stem):
    """None is built that cannot; in the order of memory that training uses."""
    space = search_spaces.create("darts", **{**SMALL, "stem": stem, "layers": 5})
    rng = random.Random(0)
    for genotype in [space.sample(rng) for _ in range(4)] + [space.parse(OLDER)]:
        network = space.build(genotype, num_classes=3).to(memory_format=torch.channels_last)
        images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        F.cross_entropy(network(images), torch.tensor([0, 1, 2, 0])).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name


def test_reductions_are_at_a_third_and_two_thirds_of_the_depth():
    for layers, expected in ((3, {1, 2}), (8, {2, 5}), (20, {6, 13})):
        with torch.device("meta"):
            network = build(layers=layers)
        found = {
            position.number
            for position in network.plan
            if any(step.stride == 2 for step in position.plan.steps)
        }
        assert found == expected


def test_cells_that_nothing_reads_are_not_built():
    """Of eight cells that read the one before the last, every second one."""
    with torch.device("meta"):
        network = build(OLDER, layers=8)
    assert list(network.cells) == ["1", "3", "5", "7"]
    assert all(list(cell.adapters) == ["0"] for cell in network.cells.values())


def test_unread_part_of_the_strided_stem_is_not_built():
    with torch.device("meta"):
        assert len(build(OLDER, layers=7, stem="imagenet").stem) == 1
        assert len(build(OLDER, layers=8, stem="imagenet").stem) == 2


def test_node_of_zeros_is_not_concatenated():
    with torch.device("meta"):
        full, zero = build(), build(FULL.replace('["skip_connect",1],["avg_pool_3x3",2]', PAIR))
    assert full.classifier.in_features == 2 * 8
    assert zero.classifier.in_features == 8


def test_size_is_halved_to_the_pixel_before_and_after_an_odd_border():
    """The half that is a pixel further reads a pixel of zeros behind an odd border."""
    from search_spaces.cells.operations import FactorizedReduction

    reduction = FactorizedReduction(1, 2).eval()
    with torch.no_grad():
        reduction.convs[0].weight.fill_(1)
        reduction.convs[1].weight.fill_(1)
    image = torch.arange(9.0).view(1, 1, 3, 3)
    scale = (1 + reduction.norm.eps) ** 0.5
    expected = torch.tensor([[[[0.0, 2], [6, 8]], [[4, 0], [0, 0]]]])
    torch.testing.assert_close(reduction(image) * scale, expected)


def test_network_of_zeros_gives_the_bias_of_the_classifier():
    network = build(ZERO)
    assert [p.shape for p in network.parameters()] == [(3,)]
    with torch.no_grad():
        network.classifier.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    expected = torch.tensor([[1.0, 2.0, 3.0]] * 2)
    torch.testing.assert_close(network(torch.randn(2, 3, 28, 28)), expected, rtol=0, atol=0)


@pytest.mark.parametrize("text", [FULL, ZERO])
@pytest.mark.parametrize("size", [28, 32, 33])
def test_places_for_distillation(text, size):
    places = survey(build(text), (1, 3, size, size))
    sides = {1: size, 2: -(-size // 2), 4: -(-size // 4)}
    for number, (stride, side) in enumerate(sides.items()):
        place = places.find(f"stride={stride}")
        assert place == f"stage{number + 1}"
        assert places.shape(place) == (1, 4 * 2**number, side, side)
    assert places.shape(places.find("penultimate")) == (1, 16)


def test_places_behind_the_strided_stem():
    places = survey(build(stem="imagenet"), (1, 3, 64, 64))
    assert [places.find(f"stride={s}") for s in (8, 16, 32)] == ["stage1", "stage2", "stage3"]


def test_stage_without_cells_has_an_empty_map():
    """Of three cells the second, a stage of its own, is read by none."""
    network = build(OLDER, layers=3)
    assert list(network.cells) == ["0", "2"]
    places = survey(network, (1, 3, 28, 28))
    assert places.find("stride=2") == "stage2"
    assert places.shape("stage2") == (1, 8, 14, 14)
    assert places.find("stride=4") == "stage3"


@pytest.mark.parametrize(
    ("text", "size", "stem"),
    [(FULL, 28, "cifar"), (FULL, 50, "imagenet"), (OLDER, 33, "cifar"), (ZERO, 28, "cifar")],
)
def test_export_keeps_the_logits(text, size, stem, tmp_path):
    torch.manual_seed(0)
    network = build(text, stem=stem, layers=3)
    path = latency.export_onnx(network, (1, 3, size, size), tmp_path / "cells.onnx", opset=18)
    assert latency.check_onnx(network, path, (1, 3, size, size)) <= 1e-4


def test_channels_last_gives_the_same_logits():
    torch.manual_seed(0)
    network, images = build().eval(), torch.randn(2, 3, 32, 32)
    expected = network(images)
    network = network.to(memory_format=torch.channels_last)
    logits = network(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_global_seed_decides_the_weights():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build().state_dict())
    first, second, third = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["stem.0.conv.weight"], third["stem.0.conv.weight"])
