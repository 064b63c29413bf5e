from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from search_spaces.fastnas.convolution import normalise
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.native import batch_norm, library

pytestmark = pytest.mark.skipif(
    library.load() is None, reason="the native kernels cannot be compiled on this machine"
)
EPSILON = 1e-5


def tensors(channels, size=(5, 7), images=3):
    generator = torch.Generator().manual_seed(channels)
    values = 3 * torch.randn(images, channels, *size, generator=generator) + 2
    weight = torch.randn(channels, generator=generator)
    bias = torch.randn(channels, generator=generator)
    return values, weight, bias, torch.randn(values.shape, generator=generator)


def ours(values, weight, bias):
    return batch_norm.batch_norm_relu(values, weight, bias, EPSILON)[0]


def torchs(values, weight, bias):
    return F.relu(F.batch_norm(values, None, None, weight, bias, True, 0.0, EPSILON))


def passes(function, *inputs):
    """Output and gradients."""
    *leaves, delta = inputs
    leaves = [leaf.detach().requires_grad_() for leaf in leaves]
    output = function(*leaves)
    output.backward(delta)
    return [output.detach(), *(leaf.grad for leaf in leaves)]


def assert_same(*inputs):
    exact = passes(torchs, *(tensor.double() for tensor in inputs))
    for one, other in zip(passes(ours, *inputs), exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 7, 8, 48, 100])
def test_output_and_gradients_are_those_of_torch(channels):
    assert_same(*tensors(channels))


@pytest.mark.parametrize(
    ("images", "size"), [(2, (1, 1)), (1, (1, 64)), (1, (13, 5)), (9, (16, 16))]
)
def test_any_number_of_positions(images, size):
    assert_same(*tensors(16, size, images))


def test_tensors_of_any_memory_order():
    values, weight, bias, delta = tensors(16)
    assert_same(values.to(memory_format=torch.channels_last), weight, bias, delta)
    assert_same(values.transpose(2, 3), weight, bias, delta.transpose(2, 3))
    assert_same(values, weight, bias, delta[:1, :1, :1, :1].expand(values.shape))


def test_a_large_mean_costs_no_precision():
    values, weight, bias, delta = tensors(8, (32, 32))
    assert_same(values + 1000, weight, bias, delta)


def test_the_statistics_are_those_of_the_batch():
    values, weight, bias, _ = tensors(16)
    _, mean, variance = batch_norm.batch_norm_relu(values, weight.requires_grad_(), bias, EPSILON)
    torch.testing.assert_close(mean, values.mean((0, 2, 3)))
    torch.testing.assert_close(variance, values.var((0, 2, 3), correction=0))
    assert not mean.requires_grad and not variance.requires_grad


def test_the_gradient_of_a_sum_is_taken():
    values, weight, bias, _ = tensors(4)
    ours(values, weight.requires_grad_(), bias).sum().backward()
    gradient, weight.grad = weight.grad, None
    torchs(values, weight, bias).sum().backward()
    torch.testing.assert_close(gradient, weight.grad)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_does_not_vanish(value):
    values, weight, bias, _ = tensors(4)
    values[0, 0, 0, 0] = value
    assert not ours(values, weight, bias).isfinite().all()


def test_inputs_are_left_as_they_are():
    inputs = tensors(16)
    before = copy.deepcopy(inputs)
    passes(ours, *inputs)
    for one, other in zip(inputs, before, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_layer_learns_and_counts_as_without_the_kernels(momentum, monkeypatch):
    values, weight, bias, delta = tensors(16)
    norm = nn.BatchNorm2d(16, momentum=momentum)
    with torch.no_grad():
        norm.weight.copy_(weight)
        norm.bias.copy_(bias)
    plain = copy.deepcopy(norm)
    calls = []
    function = batch_norm.batch_norm_relu
    monkeypatch.setattr(batch_norm, "batch_norm_relu", lambda *a: calls.append(1) or function(*a))
    for _ in range(2):
        found = normalise(norm, FeatureMap.of(values)).values
        expected = F.relu(plain(values))
        torch.testing.assert_close(found, expected)
        (found * delta).sum().backward()
        (expected * delta).sum().backward()
    assert len(calls) == 2
    torch.testing.assert_close(norm.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dict(norm.named_buffers()), dict(plain.named_buffers()))


def test_a_layer_in_evaluation_mode_uses_its_statistics(monkeypatch):
    monkeypatch.setattr(batch_norm, "batch_norm_relu", None)
    values = tensors(16)[0]
    norm = nn.BatchNorm2d(16).eval()
    torch.testing.assert_close(normalise(norm, FeatureMap.of(values)).values, F.relu(norm(values)))


def test_what_the_kernels_cannot_take_is_refused():
    values, weight, bias, _ = tensors(16)
    assert batch_norm.is_supported(values, weight, bias)
    assert not batch_norm.is_supported(values.double(), weight, bias)
    assert not batch_norm.is_supported(values.to("meta"), weight, bias)
    assert not batch_norm.is_supported(values, None, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not batch_norm.is_supported(values, weight, bias)
    torch.set_num_threads(2)
    assert not batch_norm.is_supported(values, weight, bias)
