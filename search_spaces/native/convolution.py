"""Dense convolution that is trained faster on a CPU: its weight gradient is native by shape."""

from __future__ import annotations

import ctypes
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.native import choices, library
from search_spaces.native.conditions import is_replaceable

Pair = tuple[int, int]


def is_supported(images: Tensor, weight: Tensor) -> bool:
    """Whether `conv2d` can take these tensors, here and now, and is faster.

    It uses one thread.
    """
    return (
        torch.get_num_threads() == 1
        and is_replaceable(images, weight)
        and library.load() is not None
    )


def conv2d(images: Tensor, weight: Tensor, bias: Tensor | None, dilation: Pair) -> Tensor:
    """Convolution with stride 1 and zero padding that keeps the map's size.

    Args:
        images: Maps of shape N x C x H x W that are supported.
        weight: Kernels of shape C' x C x K x L, with K and L odd.
        bias: C' summands, or None.
        dilation: Distance between the taps, in pixels, down and across.

    Returns:
        Maps of shape N x C' x H x W, those of PyTorch; the gradient of the weight is equal to
        PyTorch's to rounding.
    """
    return cast(Tensor, _Convolution.apply(images, weight, bias, dilation))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, dilation: Pair
    ) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(images, weight)
        ctx.dilation = dilation
        return F.conv2d(images, weight, bias, 1, _padding(weight, dilation), dilation)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, *deltas: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        delta = deltas[0].contiguous(memory_format=torch.channels_last)
        given = images, delta, weight, ctx.dilation
        of_images, of_weight, of_bias, _ = ctx.needs_input_grad
        native = of_weight and prefers_native(*given)
        image_gradient, weight_gradient = _standard_gradients(
            *given, (of_images, of_weight and not native)
        )
        if native:
            weight_gradient = _weight_gradient(*given)
        bias_gradient = delta.sum((0, 2, 3)) if of_bias else None
        return image_gradient, weight_gradient, bias_gradient, None


def prefers_native(images: Tensor, delta: Tensor, weight: Tensor, dilation: Pair) -> bool:
    """Whether this machine computes the gradient of a weight natively.

    Args:
        images: Maps N x C x H x W in channels-last order.
        delta: Gradient of the output, N x C' x H x W in channels-last order.
        weight: Kernels C' x C x K x L.
        dilation: As of `conv2d`.
    """
    shape = (*images.shape, weight.shape[0], *weight.shape[2:], *dilation)
    return choices.prefers_native(
        f"weight gradient {shape}",
        lambda: _weight_gradient(images, delta, weight, dilation),
        lambda: _standard_gradients(images, delta, weight, dilation, (False, True)),
    )


class _Sizes(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            "batch",
            "height",
            "width",
            "inputs",
            "outputs",
            "rows",
            "columns",
            "row_dilation",
            "column_dilation",
        )
    ]


def _standard_gradients(
    images: Tensor, delta: Tensor, weight: Tensor, dilation: Pair, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """PyTorch's gradients of images and weight, those that are wanted."""
    if not any(wanted):
        return None, None
    # The functions in torch.nn.grad forget the memory order of the images.
    gradients = torch.ops.aten.convolution_backward(
        delta,
        images,
        weight,
        None,
        stride=(1, 1),
        padding=_padding(weight, dilation),
        dilation=dilation,
        transposed=False,
        output_padding=(0, 0),
        groups=1,
        output_mask=(*wanted, False),
    )
    return gradients[0], gradients[1]


def _weight_gradient(images: Tensor, delta: Tensor, weight: Tensor, dilation: Pair) -> Tensor:
    batch, inputs, height, width = images.shape
    outputs, _, rows, columns = weight.shape
    gradient = weight.new_zeros(rows, columns, outputs, inputs)
    sizes = _Sizes(batch, height, width, inputs, outputs, rows, columns, *dilation)
    pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (images, delta, gradient))
    cast(Any, library.load()).convolution_weight_gradient(*pointers, sizes)
    return gradient.permute(2, 3, 0, 1)


def _padding(weight: Tensor, dilation: Pair) -> Pair:
    return weight.shape[2] // 2 * dilation[0], weight.shape[3] // 2 * dilation[1]
