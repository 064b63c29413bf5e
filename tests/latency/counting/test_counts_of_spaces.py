"""Multiply-accumulates of every operation of every search space, derived by hand."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

import search_spaces
from latency import count, count_of_maps
from search_spaces.cells import operations as cells
from search_spaces.cells.network import StridedStem
from search_spaces.fastnas import operations as fastnas
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.fastnas.vocabulary import OPERATIONS
from search_spaces.mobile.operations import InvertedResidual
from search_spaces.mobile.plan import Block
from search_spaces.nasbench201.network import Reduction
from search_spaces.space import DecoderSpace
from search_spaces.template import aggregation, operations
from search_spaces.template.plan import OperationStep
from search_spaces.template.vocabulary import OPERATIONS as TEMPLATE_OPERATIONS

C = 6
POINT = C * C


class OfMap(nn.Module):
    """An operation on feature maps as one on a tensor."""

    def __init__(self, operation: nn.Module) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, values: Tensor) -> Tensor:
        return self.operation(FeatureMap.of(values)).values


class OfPair(nn.Module):
    """An aggregation of a map and of its upper left quarter."""

    def __init__(self, aggregate: nn.Module) -> None:
        super().__init__()
        self.aggregate = aggregate

    def forward(self, values: Tensor) -> Tensor:
        height, width = values.shape[2:]
        quarter = FeatureMap.of(values[:, :3, : height // 2, : width // 2])
        return self.aggregate((FeatureMap.of(values), quarter), (height, width)).values


@pytest.mark.parametrize(
    ("name", "side", "macs"),
    [
        ("conv1x1", 16, POINT * 256),
        ("conv3x3", 16, 9 * POINT * 256),
        ("sep_conv3x3", 16, (9 * C + POINT) * 256),
        ("sep_conv5x5", 16, (25 * C + POINT) * 256),
        ("global_average_pool", 16, POINT),
        ("conv3x3_dilation3", 16, 9 * POINT * 256),
        ("conv3x3_dilation12", 16, 9 * POINT * 256),
        ("sep_conv3x3_dilation3", 16, (9 * C + POINT) * 256),
        ("sep_conv5x5_dilation6", 16, (25 * C + POINT) * 256),
        # Taps that lie outside the map for every pixel are left out.
        ("conv3x3_dilation12", 8, POINT * 64),
        ("sep_conv5x5_dilation6", 8, (9 * C + POINT) * 64),
        # Where only the middle tap is left, both convolutions become one.
        ("sep_conv5x5_dilation6", 4, POINT * 16),
        ("sep_conv3x3_dilation3", 2, POINT * 4),
    ],
)
def test_fastnas(name, side, macs):
    operation = next(one for one in OPERATIONS if one.name == name)
    module = OfMap(fastnas.create_operation(operation, C, repeats=1))
    assert count(module, (1, C, side, side)).macs == macs


def test_fastnas_repeats_separable_convolutions():
    operation = next(one for one in OPERATIONS if one.name == "sep_conv3x3")
    module = OfMap(fastnas.create_operation(operation, C, repeats=2))
    assert count(module, (1, C, 8, 8)).macs == 2 * (9 * C + POINT) * 64


def test_fastnas_on_a_constant_map():
    pool, separable = (
        fastnas.create_operation(OPERATIONS[number], C, repeats=1) for number in (4, 2)
    )
    macs = POINT + (9 * C + POINT) * 64
    assert count(OfMap(nn.Sequential(pool, separable)), (1, C, 8, 8)).macs == macs


@pytest.mark.parametrize(
    ("name", "strided", "macs"),
    [
        ("sep_conv3x3", False, (9 * C + POINT) * 64),
        ("sep_conv5x5", False, (25 * C + POINT) * 64),
        ("sep_conv5x5_dilation6", False, (9 * C + POINT) * 64),
        ("sep_conv3x3", True, (9 * C + 2 * POINT) * 16),
        ("sep_conv5x5", True, (25 * C + 2 * POINT) * 16),
        ("global_average_pool", False, POINT),
        ("max_pool3x3", False, POINT * 64),
        ("max_pool3x3", True, 2 * POINT * 64),
        ("skip", True, 0),
    ],
)
def test_template_operations(name, strided, macs):
    number = next(n for n, one in enumerate(TEMPLATE_OPERATIONS) if one.name == name)
    step = OperationStep("step", TEMPLATE_OPERATIONS[number], 0, strided, strided)
    module = operations.create_operation(step, C, 2 * C if strided else C, 1)
    assert count(OfMap(module), (1, C, 8, 8)).macs == macs


@pytest.mark.parametrize(
    ("name", "macs"),
    # The smaller map is brought from 3 to 6 channels before it is resized.
    [("sum", 3 * C * 16), ("concatenation", 3 * C * 16 + 2 * C * C * 64)],
)
def test_template_aggregations(name, macs):
    module = OfPair(aggregation.create_aggregation(name, (C, 3)))
    assert count(module, (1, C, 8, 8)).macs == macs


@pytest.mark.parametrize(
    ("module", "macs"),
    [
        (cells.Convolution(C, C, 1), POINT * 64),
        (cells.Convolution(C, C, 3), 9 * POINT * 64),
        (cells.Convolution(C, C, 3, stride=2), 9 * POINT * 16),
        (cells.SeparableConvolution(C, 3, 1), 2 * (9 * C + POINT) * 64),
        (cells.SeparableConvolution(C, 5, 2), (25 * C + POINT + 25 * C + POINT) * 16),
        (cells.DepthwiseConvolution(C, 3, 1, 2), (9 * C + POINT) * 64),
        (cells.DepthwiseConvolution(C, 5, 2, 2), (25 * C + POINT) * 16),
        (cells.FactorizedReduction(C, C), POINT * 16),
        (Reduction(C), (9 * 2 * POINT + 9 * 4 * POINT + 2 * POINT) * 16),
        (StridedStem(C, C), 9 * C * 3 * 16 + 9 * 3 * C * 4),
        (nn.AvgPool2d(3, 2, 1, count_include_pad=False), 0),
        (nn.MaxPool2d(3, 1, 1), 0),
    ],
)
def test_cells_of_nasbench201_and_darts(module, macs):
    assert count(module, (1, C, 8, 8)).macs == macs


@pytest.mark.parametrize(
    ("block", "macs"),
    [
        (Block(C, C, C, 3, 1, 0), (9 * C + POINT) * 64),
        (Block(C, 4 * C, C, 5, 1, 0), (4 * POINT + 25 * 4 * C + 4 * POINT) * 64),
        (Block(C, 4 * C, 9, 7, 2, 0), 4 * POINT * 64 + (49 * 4 * C + 4 * C * 9) * 16),
        (
            Block(C, 2 * C, C, 3, 1, 2),
            (2 * POINT + 9 * 2 * C + 2 * POINT) * 64 + 2 * (2 * C * 2),
        ),
    ],
    ids=["without expansion", "expanded", "strided", "squeeze-and-excitation"],
)
def test_mobile(block, macs):
    assert count(InvertedResidual(block, "hard_swish"), (1, C, 8, 8)).macs == macs


def test_a_whole_fastnas_decoder():
    space = search_spaces.create("fastnas", branches=2, cells=1, width=C, auxiliary="none")
    decoder = space.build(
        space.parse("[[1,[0,1,0,4]],[[0,1]]]"),
        encoder_channels=(3, 5, 7, 9),
        encoder_strides=(4, 8, 16, 32),
        num_classes=2,
    )
    maps = [(1, channels, side, side) for channels, side in ((3, 16), (5, 8), (7, 4), (9, 2))]
    # op0 is a 3x3 convolution of the input; node 1 adds a 1x1 convolution of the input to the
    # pooled op0; the sum is the cell's output.
    cell = [9 * POINT * pixels + POINT * pixels + POINT for pixels in (256, 64)]
    adapters = 3 * C * 256 + 5 * C * 64
    projections = POINT * 256 + POINT * 64
    end = POINT * 256 + 9 * C * 2 * 256
    assert count_of_maps(decoder, maps).macs == sum(cell) + adapters + projections + end


def test_a_whole_classifier():
    space = search_spaces.create("nasbench201", channels=4, cells=1)
    genotype = space.parse(
        "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|none~2|"
    )
    network = space.build(genotype, num_classes=3)
    # Only the 3x3 convolution leads to the output, by a pool.
    stem = 9 * 3 * 4 * 64
    cells_macs = sum(9 * width * width * pixels for width, pixels in ((4, 64), (8, 16), (16, 4)))
    reductions = sum(
        (9 * 2 + 9 * 4 + 2) * width * width * pixels for width, pixels in ((4, 16), (8, 4))
    )
    assert count(network, (1, 3, 8, 8)).macs == stem + cells_macs + reductions + 16 * 3


def test_counting_a_candidate_leaves_the_generator_alone():
    space = search_spaces.create("nasbench201", channels=4, cells=1)
    network = space.build(space.sample(random.Random(0)), num_classes=3)
    state = torch.get_rng_state()
    count(network, (1, 3, 8, 8))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", search_spaces.names())
def test_counting_leaves_candidates_of_every_space_as_they_are(name):
    space = search_spaces.create(name)
    genotype = space.sample(random.Random(1))
    maps = [(1, 8, side, side) for side in (16, 8, 4, 2)]
    if isinstance(space, DecoderSpace):
        strides = space.cut(genotype).strides
        maps = maps[: len(strides)]
        network = space.build(
            genotype,
            encoder_channels=(8,) * len(strides),
            encoder_strides=strides,
            num_classes=2,
        )
    else:
        network = space.build(genotype, num_classes=2)
    network.train()
    next(network.children()).eval()
    network.register_forward_pre_hook(lambda *_: None)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]

    if isinstance(space, DecoderSpace):
        assert count_of_maps(network, maps).macs > 0
    else:
        assert count(network, (1, 3, 32, 32)).macs > 0

    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert all(value.device.type == "cpu" for value in network.state_dict().values())
    assert len(network._forward_pre_hooks) == 1
