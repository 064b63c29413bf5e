from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.fastnas.convolution import CroppedConv2d
from search_spaces.native import choices, convolution, library

pytestmark = pytest.mark.skipif(
    library.load() is None, reason="the native kernels cannot be compiled on this machine"
)


@pytest.fixture(autouse=True, params=[True, False], ids=["native", "standard"])
def _chosen(request, monkeypatch):
    """Whatever this machine would choose."""
    monkeypatch.setattr(choices, "prefers_native", lambda *of_shape: request.param)


def tensors(kernel=(3, 3), size=(7, 9), inputs=5, outputs=6):
    generator = torch.Generator().manual_seed(inputs + outputs)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return (
        draw(2, inputs, *size),
        draw(outputs, inputs, *kernel),
        draw(outputs),
        draw(2, outputs, *size),
    )


def passes(function, values, weight, bias, delta):
    """Output and gradients."""
    leaves = [leaf.detach().requires_grad_() for leaf in (values, weight, bias)]
    output = function(*leaves)
    output.backward(delta)
    return output.detach(), *(leaf.grad for leaf in leaves)


def assert_same(inputs, dilation=(1, 1)):
    padding = tuple(k // 2 * d for k, d in zip(inputs[1].shape[2:], dilation, strict=True))
    found = passes(lambda *three: convolution.conv2d(*three, dilation), *inputs)
    exact = passes(
        lambda v, w, b: F.conv2d(v, w, b, 1, padding, dilation),
        *(tensor.double() for tensor in inputs),
    )
    for one, other in zip(found, exact, strict=True):
        assert one.shape == other.shape
        # Sums of thousands of terms that cancel are rounded as large ones are.
        rounding = max(1e-4, 2e-6 * float(other.abs().max()))
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=rounding)


@pytest.mark.parametrize("dilation", [(1, 1), (2, 2), (3, 3), (6, 8), (7, 9), (12, 12), (1, 4)])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (1, 3), (1, 1)])
def test_output_and_gradients_are_those_of_torch(kernel, dilation):
    assert_same(tensors(kernel), dilation)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (8, 2), (15, 4), (17, 11), (48, 48)])
def test_any_number_of_channels(inputs, outputs):
    assert_same(tensors(inputs=inputs, outputs=outputs))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (40, 3), (33, 70)])
def test_maps_of_any_size(size):
    assert_same(tensors(size=size, inputs=24, outputs=7), (3, 3))


def test_tensors_of_any_memory_order():
    values, weight, bias, delta = tensors()
    assert_same((values.to(memory_format=torch.channels_last), weight, bias, delta))
    assert_same((values, weight[:, :, 1:2, 1:2], bias, delta))
    assert_same((values[:, :, :1, :1].expand(values.shape), weight, bias, delta))
    assert_same((values, weight, bias, delta[:1, :1, :1, :1].expand(delta.shape)))


def test_gradients_are_those_that_are_asked_for():
    values, weight, _, delta = tensors()
    convolution.conv2d(values, weight.requires_grad_(), None, (3, 3)).backward(delta)
    expected = weight.grad.clone()
    weight = weight.detach().requires_grad_()
    F.conv2d(values, weight, None, 1, 3, 3).backward(delta)
    torch.testing.assert_close(expected, weight.grad, rtol=1e-4, atol=1e-4)
    values.requires_grad_()
    convolution.conv2d(values, weight.detach(), None, (3, 3)).backward(delta)
    assert values.grad.shape == values.shape


def test_what_the_kernels_cannot_take_is_left_to_torch():
    values, weight, *_ = tensors()
    assert convolution.is_supported(values, weight)
    assert not convolution.is_supported(values.double(), weight.double())
    assert not convolution.is_supported(values.to("meta"), weight.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not convolution.is_supported(values, weight)
    torch.set_num_threads(2)
    assert not convolution.is_supported(values, weight)


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_uses_it_and_its_work_is_counted(bias, monkeypatch):
    calls = []
    function = convolution.conv2d
    monkeypatch.setattr(convolution, "conv2d", lambda *a: calls.append(1) or function(*a))
    values = tensors(size=(8, 8))[0]
    layer = CroppedConv2d(5, 6, 3, dilation=3, bias=bias)
    expected = F.conv2d(values, layer.weight, layer.bias, 1, 3, 3)
    torch.testing.assert_close(layer(values), expected)
    assert calls == [1]
    with FlopCounterMode(display=False) as counter:
        layer(values)
    assert calls == [1]
    assert counter.get_total_flops() == 2 * 2 * 64 * 6 * 5 * 9
