"""Depthwise convolution, native on a CPU where that is faster."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.native import choices, library
from search_spaces.native.conditions import is_replaceable


def is_supported(images: Tensor, weight: Tensor) -> bool:
    """Whether `depthwise_conv2d` can take these tensors, here and now."""
    return is_replaceable(images, weight) and library.load() is not None


def depthwise_conv2d(images: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """Depthwise convolution with stride 1 and zero padding that keeps the map's size.

    Args:
        images: Maps of shape N x C x H x W that `is_supported`.
        weight: Kernels of shape C x 1 x K x K, with K odd.
        dilation: Distance between the taps, in pixels.

    Returns:
        Maps of shape N x C x H x W in channels-last order, equal to PyTorch's to rounding.
    """
    result: Tensor = _Depthwise.apply(images, weight, dilation)
    return result


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, dilation: int) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(images, weight)
        ctx.dilation = dilation
        run = _correlate if prefers_native(images, weight, dilation) else _standard
        return run(images, weight, dilation)

    @staticmethod
    def backward(ctx: Any, *deltas: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        delta = deltas[0].contiguous(memory_format=torch.channels_last)
        image_gradient = weight_gradient = None
        if ctx.needs_input_grad[0]:
            image_gradient = _correlate(delta, weight.flip(2, 3), ctx.dilation)
        if ctx.needs_input_grad[1]:
            weight_gradient = _weight_gradient(images, delta, weight, ctx.dilation)
        return image_gradient, weight_gradient, None


def prefers_native(images: Tensor, weight: Tensor, dilation: int) -> bool:
    """Whether this machine computes the output for such maps, in channels-last order, natively."""
    # PyTorch has no fast path for dilation anywhere, and is not measured with several threads.
    if dilation > 1 or torch.get_num_threads() > 1:
        return True
    return choices.prefers_native(
        f"depthwise {(*images.shape, weight.shape[-1])}",
        lambda: _correlate(images, weight, dilation),
        lambda: _standard(images, weight, dilation),
    )


def _standard(images: Tensor, weight: Tensor, dilation: int) -> Tensor:
    padding = weight.shape[-1] // 2 * dilation
    return F.conv2d(images, weight, None, 1, padding, dilation, weight.shape[0])


class _Shape(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("batch", "height", "width", "channels", "kernel", "dilation")
    ]


def _correlate(images: Tensor, weight: Tensor, dilation: int) -> Tensor:
    taps = _taps_first(weight)
    output = torch.empty_like(images, memory_format=torch.channels_last)
    _call("depthwise_correlate", images, taps, output, _shape(images, weight, dilation))
    return output


def _weight_gradient(images: Tensor, delta: Tensor, weight: Tensor, dilation: int) -> Tensor:
    gradient = torch.zeros_like(_taps_first(weight))
    _call("depthwise_weight_gradient", images, delta, gradient, _shape(images, weight, dilation))
    return gradient.t().reshape(weight.shape)


def _taps_first(weight: Tensor) -> Tensor:
    return weight.detach().reshape(weight.shape[0], -1).t().contiguous()


def _shape(images: Tensor, weight: Tensor, dilation: int) -> _Shape:
    batch, channels, height, width = images.shape
    return _Shape(batch, height, width, channels, weight.shape[-1], dilation)


def _call(name: str, first: Tensor, second: Tensor, result: Tensor, shape: _Shape) -> None:
    function = getattr(library.load(), name)
    pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (first, second, result))
    function(*pointers, shape)
