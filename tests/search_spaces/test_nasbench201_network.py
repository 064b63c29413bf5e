"""The planned network against one built literally from the genotype, and what it must survive."""

from __future__ import annotations

import random
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import latency
import search_spaces
from nas.distillation.places import survey
from search_spaces import SpaceError

SMALL = {"channels": 4, "cells": 1}
FULL = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)
ZERO = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


@pytest.fixture
def space():
    return search_spaces.create("nasbench201", **SMALL)


def build(text=FULL, classes=3, channels=3, **options):
    space = search_spaces.create("nasbench201", **{**SMALL, **options})
    return space.build(space.parse(text), num_classes=classes, in_channels=channels)


class ReLUConvBN(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.conv(F.relu(x)))


class Zero(nn.Module):
    def forward(self, x):
        return x * 0


def make_operation(word, channels):
    return {
        "none": Zero,
        "skip_connect": nn.Identity,
        "nor_conv_1x1": lambda: ReLUConvBN(channels, channels, 1),
        "nor_conv_3x3": lambda: ReLUConvBN(channels, channels, 3),
        "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    }[word]()


class ReferenceCell(nn.Module):
    def __init__(self, words, channels):
        super().__init__()
        names = [f"edge{source}_{target}" for source, target in EDGES]
        self.operations = nn.ModuleDict(
            {name: make_operation(word, channels) for name, word in zip(names, words, strict=True)}
        )

    def forward(self, x):
        nodes = [x]
        for target in (1, 2, 3):
            terms = [
                self.operations[f"edge{source}_{target}"](nodes[source]) for source in range(target)
            ]
            nodes.append(sum(terms))
        return nodes[3]


class ReferenceReduction(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = ReLUConvBN(channels, 2 * channels, 3, 2)
        self.second = ReLUConvBN(2 * channels, 2 * channels, 3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2), nn.Conv2d(channels, 2 * channels, 1, bias=False)
        )

    def forward(self, x):
        return self.shortcut(x) + self.second(self.first(x))


class Reference(nn.Module):
    def __init__(self, words, channels, cells, classes):
        super().__init__()

        def stage(width):
            return [ReferenceCell(words, width) for _ in range(cells)]

        self.stem = nn.ModuleDict(
            {"conv": nn.Conv2d(3, channels, 3, 1, 1, bias=False), "norm": nn.BatchNorm2d(channels)}
        )
        self.stage1 = nn.Sequential(*stage(channels))
        self.stage2 = nn.Sequential(ReferenceReduction(channels), *stage(2 * channels))
        self.stage3 = nn.Sequential(ReferenceReduction(2 * channels), *stage(4 * channels))
        self.last = nn.Sequential(nn.BatchNorm2d(4 * channels), nn.ReLU())
        self.classifier = nn.Linear(4 * channels, classes)

    def forward(self, x):
        x = self.stem["norm"](self.stem["conv"](x))
        x = self.last(self.stage3(self.stage2(self.stage1(x))))
        return self.classifier(x.mean((2, 3)))


@pytest.mark.parametrize("training", [False, True])
def test_logits_are_those_of_the_literal_network(training):
    space = search_spaces.create("nasbench201", channels=4, cells=2)
    rng = random.Random(int(training))
    torch.manual_seed(0)
    for _ in range(8):
        genotype = space.sample(rng)
        network = space.build(genotype, num_classes=3).train(training)
        words = list(space.choices(genotype).values())
        reference = Reference(words, 4, 2, 3).train(training)
        if not hasattr(network, "last"):
            continue
        result = reference.load_state_dict(network.state_dict(), strict=False)
        assert not result.unexpected_keys
        images = torch.randn(4, 3, 12, 12)
        torch.testing.assert_close(network(images), reference(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", [FULL, ZERO])
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (64, 64), (33, 27)])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_logits_of_images_of_any_size(text, size, stem):
    logits = build(text, stem=stem)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 3)
    assert bool(logits.isfinite().all())


def test_images_may_have_other_channels():
    assert build(channels=1)(torch.randn(2, 1, 28, 28)).shape == (2, 3)


def test_every_parameter_learns(space):
    rng = random.Random(0)
    for _ in range(5):
        network = space.build(space.sample(rng), num_classes=3)
        F.cross_entropy(network(torch.randn(4, 3, 16, 16)), torch.tensor([0, 1, 2, 0])).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name


def test_image_has_a_gradient_through_every_stage():
    images = torch.randn(2, 3, 16, 16, requires_grad=True)
    build().eval()(images)[:, 0].sum().backward()
    assert float(images.grad.abs().sum()) > 0


def test_a_pool_that_is_chosen_twice_is_built_once():
    text = "|avg_pool_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    assert list(build(text).stage1[0].operations) == ["edge0_1", "edge1_3", "edge2_3"]


def test_cell_of_zeros_gives_the_bias_of_the_classifier():
    network = build(ZERO)
    with torch.no_grad():
        network.classifier.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    expected = torch.tensor([[1.0, 2.0, 3.0]] * 2)
    torch.testing.assert_close(network(torch.randn(2, 3, 28, 28)), expected, rtol=0, atol=0)


def test_cell_of_zeros_has_the_maps_of_the_others():
    for options in ({}, {"stem": "imagenet"}):
        zero, full = (survey(build(t, **options), (1, 3, 64, 64)) for t in (ZERO, FULL))
        for stage in ("stage1", "stage2", "stage3"):
            assert zero.shape(stage) == full.shape(stage)


@pytest.mark.parametrize("text", [FULL, ZERO])
@pytest.mark.parametrize("size", [28, 32, 33])
def test_places_for_distillation(text, size):
    places = survey(build(text), (1, 3, size, size))
    assert [places.find(f"stride={stride}") for stride in (1, 2)] == ["stage1", "stage2"]
    assert places.find("stride=4") == places.find("stride=last") in ("stage3", "last")
    sides = {1: size, 2: -(-size // 2), 4: -(-size // 4)}
    for number, (stride, side) in enumerate(sides.items()):
        assert places.shape(places.find(f"stride={stride}")) == (1, 4 * 2**number, side, side)
    assert places.shape(places.find("penultimate")) == (1, 16)


@pytest.mark.parametrize("text", [FULL, ZERO])
@pytest.mark.parametrize("size", [28, 33])
def test_export_keeps_the_logits(text, size, tmp_path):
    torch.manual_seed(0)
    network = build(text)
    path = latency.export_onnx(network, (1, 3, size, size), tmp_path / "cell.onnx", opset=18)
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
    assert not torch.equal(first["stem.conv.weight"], third["stem.conv.weight"])


@pytest.mark.parametrize("name", ["num_classes", "in_channels"])
def test_wrong_numbers_are_refused(space, name):
    numbers = {"num_classes": 3, "in_channels": 3, name: 0}
    message = re.escape(f"{name} must be a whole number of at least 1, not 0")
    with pytest.raises(SpaceError, match=message):
        space.build(space.parse(FULL), **numbers)
