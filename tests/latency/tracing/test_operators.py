from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from latency.tracing.forward_pass import trace, trace_of_maps
from latency.tracing.operators import operators_of, used_inputs

SHAPE = (1, 4, 6, 8)


class Steps(nn.Module):
    """Any function as a network."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, values):
        return self.function(values)


def kinds(function, shape=SHAPE) -> list[str]:
    return [operator.kind for operator in operators_of(trace(Steps(function), shape))]


def conv(image):
    return F.conv2d(image, torch.zeros(4, 4, 1, 1))


def test_a_convolution_takes_batch_norm_and_activation_along():
    model = nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU6())
    (operator,) = operators_of(trace(model, SHAPE))
    assert operator.kind == "conv2d batch_norm hardtanh"
    assert operator.key == (
        "conv2d(1x4x6x8, constant 6x4x3x3, None, 1, 0, 1, 1) > batch_norm(#1) > "
        "hardtanh(#2, max_val=6.0, min_val=0.0)"
    )
    assert operator.macs == 6 * 4 * 9 * 24
    # Input, output, kernel, and mean, variance, scale and shift of the batch norm.
    assert operator.elements == 4 * 48 + 6 * 24 + 6 * 36 + 4 * 6


def test_what_others_read_too_is_an_operator_of_its_own():
    def forward(image):
        features = conv(image)
        return F.relu(features) + features.sigmoid()

    assert kinds(forward) == ["conv2d", "relu", "sigmoid", "add"]


def test_an_addition_joins_the_convolution_that_ends_last():
    assert kinds(lambda x: conv(conv(x)) + x) == ["conv2d", "conv2d add"]
    assert kinds(lambda x: conv(x) + conv(x * 2)) == ["conv2d", "mul", "conv2d add"]
    assert kinds(lambda x: F.relu(conv(x)) + x) == ["conv2d relu", "add"]


def test_an_addition_that_spreads_a_term_joins_nothing():
    assert kinds(lambda x: conv(x) + x.mean((2, 3), keepdim=True)) == ["conv2d", "mean", "add"]


def test_a_residual_block_is_one_operator_with_its_activation():
    norm = nn.BatchNorm2d(4).eval()
    assert kinds(lambda x: F.relu(norm(conv(x)) + x)) == ["conv2d batch_norm add relu"]


def test_keys_tell_shapes_and_attributes_apart():
    def key(function, shape=SHAPE) -> str:
        (operator,) = operators_of(trace(Steps(function), shape))
        return operator.key

    plain = key(lambda x: F.conv2d(x, torch.zeros(4, 4, 3, 3), padding=1))
    others = [
        key(lambda x: F.conv2d(x, torch.zeros(4, 4, 3, 3))),
        key(lambda x: F.conv2d(x, torch.zeros(4, 4, 3, 3), padding=1, dilation=2)),
        key(lambda x: F.conv2d(x, torch.zeros(5, 4, 3, 3), padding=1)),
        key(lambda x: F.conv2d(x, torch.zeros(4, 2, 3, 3), padding=1, groups=2)),
        key(lambda x: F.conv2d(x, torch.zeros(4, 4, 3, 3), torch.zeros(4), padding=1)),
        key(lambda x: F.conv2d(x, torch.zeros(4, 4, 3, 3), padding=1), (2, 4, 6, 8)),
    ]
    assert plain not in others and len(set(others)) == 6


def test_keys_do_not_tell_apart_what_takes_the_same():
    def key(function) -> str:
        (operator,) = operators_of(trace(Steps(function), SHAPE))
        return operator.key

    weight = torch.zeros(4, 4, 3, 3)
    assert key(lambda x: F.conv2d(x, weight, None, (2, 2))) == key(
        lambda x: F.conv2d(x, weight, None, 2)
    )
    assert key(F.relu) == key(lambda x: F.relu(x, inplace=True))
    assert key(lambda x: x + x) == key(lambda x: x.add(x, alpha=1))
    assert key(lambda x: x + x) != key(lambda x: x.add(x, alpha=2))
    assert key(lambda x: x + x) != key(lambda x: x + x.new_ones(x.shape))


def test_what_no_output_needs_is_left_out():
    def forward(image):
        conv(image)
        return image + 1

    assert kinds(forward) == ["add"]
    assert operators_of(trace(Steps(lambda x: x.new_zeros(3)), SHAPE)) == ()


def test_only_what_leads_to_the_outputs_that_are_used():
    found = trace(Steps(lambda x: (conv(x), x.mean())), SHAPE)
    assert [one.kind for one in operators_of(found, found.outputs[:1])] == ["conv2d"]
    assert [one.kind for one in operators_of(found)] == ["conv2d", "mean"]


def test_used_inputs():
    def forward(maps):
        conv(maps[2])
        return maps[0], conv(maps[1])

    assert used_inputs(trace_of_maps(Steps(forward), [SHAPE] * 3)) == (True, True, False)


def test_inputs_and_outputs_of_an_operator():
    def forward(image):
        first, second = image.split(2, dim=1)
        return first * second, second

    split, mul = operators_of(trace(Steps(forward), SHAPE))
    assert [value.shape for value in split.outputs] == [(1, 2, 6, 8)] * 2
    assert mul.inputs == split.outputs
